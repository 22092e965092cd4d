"""The JSON API of 2012 to today: what a client sends and receives. It decides nothing about images."""
