"""Pure: events, identity rules, window, policy, status lattice, wire to events. No I/O, no clock, no asyncio."""
