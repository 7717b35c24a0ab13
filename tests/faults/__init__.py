"""The pipeline and its writers under faults that happen: kills, full disks, lost permissions, damaged files."""
