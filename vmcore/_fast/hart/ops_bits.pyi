"""Handlers of Zba, Zbb, Zbc, Zbs, Zbkb, Zbkc, Zbkx and Zicond: importing the module registers them."""
