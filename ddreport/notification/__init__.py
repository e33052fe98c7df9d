"""Telling people what got worse or better since they were told last: what is news, its words, and the ways to send."""
