"""The paper's graph neural network for argon: its training data, the network, its training and its calculator."""
