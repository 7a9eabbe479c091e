"""Records to terminal table and JSON; this room never decides."""
