"""A demonstration that people can believe: real models, real data, real traffic, one command.

Models are trained on flights that left New York in 2013, served by a real model server, asked by a
replay of the flights that followed, and rolled out by the operator. `make demo` tells the story.
"""
