"""The store commands' Lua sources, and the function library made of them."""
