"""The `lending` command: main.py registers the commands, each of which is one file.

What belongs here: reading arguments, wiring up a program, writing for a person. What does not:
rules, SQL, and whatever another program would want to call.
"""
