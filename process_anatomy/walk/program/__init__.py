"""The executable program: PEBs, environments, the loader's lists, mapped images and drivers."""
