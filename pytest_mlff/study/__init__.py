"""What exists because of the paper alone: runs as long and as large as its own."""
