# /// script
# dependencies = [
#     "click==8.3.0",
# ]
# ///
import click
from click.testing import CliRunner

@click.command()
@click.option("--count", default=1, type=click.IntRange(1, 5))
@click.argument("name")
def hello(count, name):
    click.echo(f"hello {name} " * count)

assert CliRunner().invoke(hello, ["--count", "9", "x"]).exit_code == 2
print(CliRunner().invoke(hello, ["--count", "2", "x"]).output.strip())
