"""The command ``anatomy``: what is not one question about one image, and so no plugin.

Exit status: 0, all that was asked for was done or is as it should be; 1, it could not be done or something differs (one
line on standard error says what); 2, the command line is wrong; 3, the layout does not fit the image, and no row is to
be trusted; 4, a part was done and the rest could not be; 5, there are findings as severe as ``--fail-on`` names, or
more; 130, interrupted from the keyboard.
"""
