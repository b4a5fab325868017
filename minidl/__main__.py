"""`python -m minidl`: what is installed, on which kernels it runs, and where to go on."""

from . import show_config

if __name__ == "__main__":
    show_config()
    print(
        "\nTo learn, in a clone: python examples/zero_vs_xavier.py; then docs/tour.md."
        "\nTo touch: python -m minidl.explore opens a page that trains networks in the browser."
        "\nTo look at a model: minidl.flow.measure(model, x, y); what is wrong with it: minidl.flow.diagnose(model, x, y)."
        "\nTo train many: python -m minidl.sweep --help."
    )
