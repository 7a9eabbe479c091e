"""What is tested, as data: structures, states, systems and protocols, and the files that describe them."""
