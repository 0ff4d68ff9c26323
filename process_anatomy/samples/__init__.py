"""Public memory images: where courses get them, what they are said to hold, and whether a copy is the published one.

The catalogue is data (``samples/public-images.toml``): every size, hash, password and fact in it has the page that it
was read from.  :mod:`catalogue` reads it, :mod:`download` and :mod:`unpack` bring an image here, :mod:`verify`
compares a file with what is published, the Windows in it by our own engine (:mod:`facts`).
"""
