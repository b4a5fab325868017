"""The flow explorer as a marimo notebook, for those who want to change the code behind the sliders.

pip install -e . marimo && marimo edit notebooks/flow_live.py
"""

import marimo

app = marimo.App(width="medium")


@app.cell
def _():
    import marimo as mo

    from minidl import data, flow, init, nn

    return data, flow, init, mo, nn


@app.cell
def _(mo):
    mo.md(
        """
        # What a network does with a signal

        Move a slider. The network is drawn anew from its seed, one batch of digits goes through it, forward and backward, and
        what each layer does is drawn below, compared with theory. To explore training, open the page of
        `python -m minidl.explore`; to change what is drawn here, change the cells.
        """
    )
    return


@app.cell
def _(init, mo, nn):
    initializers = {
        "Xavier": init.XavierNormal(), "He": init.HeNormal(), "LeCun": init.LecunNormal(), "orthogonal": init.Orthogonal(),
        "zeros": init.Zeros(), "constant 0.1": init.Constant(0.1), "std 0.01": init.Normal(std=0.01), "std 1": init.Normal(),
    }  # fmt: skip
    activations = {"tanh": nn.Tanh, "ReLU": nn.ReLU, "sigmoid": nn.Sigmoid, "GELU": nn.GELU}
    depth = mo.ui.slider(1, 50, value=10, label="depth")
    width = mo.ui.slider(2, 256, value=64, label="width")
    activation = mo.ui.dropdown(activations, value="tanh", label="activation")
    initializer = mo.ui.dropdown(initializers, value="Xavier", label="initializer")
    norm = mo.ui.checkbox(label="batch norm")
    seed = mo.ui.number(0, 1000, value=0, label="seed")
    mo.vstack([mo.hstack([depth, width, seed], justify="start"), mo.hstack([activation, initializer, norm], justify="start")])
    return activation, depth, initializer, norm, seed, width


@app.cell
def _(activation, depth, initializer, nn, norm, seed, width):
    def network():
        layers, inputs = [], 64
        for _ in range(depth.value - 1):
            layers += [nn.Linear(inputs, width.value, weight_init=initializer.value)]
            layers += [nn.BatchNorm1d(width.value)] if norm.value else []
            layers += [activation.value()]
            inputs = width.value
        return nn.Sequential(*layers, nn.Linear(inputs, 10, weight_init=initializer.value)).initialize(rng=int(seed.value))

    model = network()
    return (model,)


@app.cell
def _(data, flow, model):
    x, y, *_ = data.digits()
    flow.diagnose(model, x[:128], y[:128])
    return x, y


@app.cell
def _(flow, model, x, y):
    flow.measure(model, x[:128], y[:128])
    return


if __name__ == "__main__":
    app.run()
