"""Labs: questions about an image, drawn from what its views say, and how an answer to one is graded."""
