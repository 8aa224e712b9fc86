"""Pure: events, identity rules, window, policy, status lattice, wire to facts. No I/O, no clock."""
