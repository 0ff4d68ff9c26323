"""Labs: images of their own for students, questions drawn from what views say of them, sealed answers, grades."""
