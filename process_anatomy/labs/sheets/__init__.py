"""The questions of a lab on paper, on a page, and in the forms that learning platforms take."""
