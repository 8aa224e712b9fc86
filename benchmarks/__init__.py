"""The benchmarks: what the gateway costs beside yardsticks."""
