"""The command ``anatomy``: what is not a question about one image, and so no plugin.

Exit status: 0, all that was asked for was done or is as it should be; 1, it could not be done or something differs (one
line on standard error says what); 2, the command line is wrong; 130, interrupted from the keyboard.
"""
