"""`python -m lending` is the command `lending`, for where no script is installed."""

from lending.cli.main import app

if __name__ == "__main__":
    app()
