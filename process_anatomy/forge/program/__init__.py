"""The user half of a process: images, blocks, parameters, heap and stacks."""
