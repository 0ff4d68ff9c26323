"""Who confirms what is right: the forge's truth, our suite on the written image, and stock Volatility on it."""
