"""The parts of a pull: threads, targets that share an account, the steps of one target, and how each of them went."""
