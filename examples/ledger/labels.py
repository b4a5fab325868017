"""Chinese labels for the pictures: the scripts draw in English, and here each label of a finished figure is translated.

A label that the table does not have stays English. So does every label where no Chinese font is installed: a line says so, and
there is never a picture with boxes instead of characters.

    python examples/ledger/labels.py examples/zero_vs_xavier.py --out docs/zero_vs_xavier.png

runs a script with its options, and its picture is drawn twice: here docs/zero_vs_xavier.png and docs/zero_vs_xavier.zh-CN.png.
"""

import contextlib
import functools
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minidl import plot

FONTS = {  # by family, as Debian's packages fonts-noto-cjk, fonts-wqy-microhei and fonts-wqy-zenhei install them
    "Noto Sans CJK SC": "NotoSansCJK-Regular.ttc",
    "WenQuanYi Micro Hei": "wqy-microhei.ttc",
    "WenQuanYi Zen Hei": "wqy-zenhei.ttc",
}

LABELS = {
    # shared
    "linear": "线性",
    "relu": "ReLU",
    "layer": "层",
    "epoch": "轮",
    "cross-entropy": "交叉熵",
    "Loss on the training set": "训练集上的损失",
    "norm": "范数",
    "guessing": "随机猜测",
    "outputs": "输出",
    "gradients": "梯度",
    "weights": "权重",
    "std": "标准差",
    "standard deviation": "标准差",
    "learning rate": "学习率",
    "depth: linear layers": "深度：线性层的层数",
    "zeros": "全零",
    "Forward: the outputs": "前向传播：输出",
    "Backward: the gradients": "反向传播：梯度",
    # zero_vs_xavier
    "xavier_uniform": "Xavier 均匀",
    "exactly 0": "严格为 0",
    "layer (1 = first)": "层（1 为第一层）",
    "Gradient of the weights at the first step": "第一步时权重的梯度",
    "all alike": "全部相同",
    "all different": "各不相同",
    # symmetry
    "only hidden at 0": "仅隐藏层为 0",
    "only output at 0": "仅输出层为 0",
    "random": "随机",
    "hidden layer": "隐藏层",
    "output": "输出层",
    "output's bias": "输出层偏置",
    "Gradient at the first step (the bottom line is 0)": "第一步时的梯度（底部的线为 0）",
    # scale_sweep
    "Gradients for them": "损失对这些输出的梯度",
    "size, relative to the last layer's": "大小（相对于最后一层）",
    "scale: std of the weights, times sqrt n": "尺度 s（权重的标准差 = s/√n）",
    "cross-entropy (3: diverged)": "交叉熵（3 表示发散）",
    "Digits: loss on the training set, after training": "手写数字：训练后训练集上的损失",
    "Digits: accuracy on the test set": "手写数字：测试集准确率",
    "fraction right": "准确率",
    # initializers
    "Xavier, normal": "Xavier 正态",
    "Xavier, uniform": "Xavier 均匀",
    "He, normal": "He 正态",
    "He, uniform": "He 均匀",
    "B's Xavier: LeCun's": "B 所称的 Xavier（实为 LeCun）",
    "E's He": "E 所称的 He",
    "E's Xavier": "E 所称的 Xavier",
    "drawn": "抽取的权重",
    "by the formula": "公式给出的密度",
    "weight": "权重",
    "density": "概率密度",
    # fan_in_or_fan_out
    "layer, and its width": "层及其宽度",
    "root mean square": "均方根",
    "root mean square (dotted: geometric mean)": "均方根（点线：几何平均）",
    # initializer_race
    "constant 0.1": "常数 0.1",
    "small: std 0.01": "过小：标准差 0.01",
    "large: std 1": "过大：标准差 1",
    "right on the test set, each seed": "测试集准确率，每点为一个随机种子",
    "% (dotted: guessing)": "%（点线：随机猜测）",
    "large: U[0, 1)": "过大：U[0, 1)",
    # dying_relu
    "initial value of every hidden bias": "隐藏层偏置的初始值",
    "dead units, % (diverged: 100)": "死亡神经元，%（发散记为 100）",
    "He, mean -0.1": "He，均值 -0.1",
    "Before training, by initializer": "训练前，各种初始化",
    "After training from He's, by learning rate": "He 初始化，训练后，各种学习率",
    "Loss after one epoch from He's, lr 0.1": "He 初始化、学习率 0.1：一轮后的损失",
    "mean of the seeds": "各随机种子的平均",
    # batchnorm_rescues
    "std of tanh's outputs": "tanh 输出的标准差",
    "Without batch norm": "无批归一化",
    "Batch norm before tanh": "批归一化在 tanh 之前",
    "Batch norm after tanh": "批归一化在 tanh 之后",
    "gradient there,\nrelative to the last": "该处的梯度\n（相对于最后一层）",
    "tanh's outputs, last layer": "最后一层 tanh 的输出",
    "how often,\nhighest bin = 1": "频数\n（最高一格为 1）",
    "exponential": "指数分布",
    "wx + b of 500 exponential": "500 个指数分布输入的 wx + b",
    "One batch norm: the mean becomes 0 and the std 1, the shape stays": "一次批归一化：均值变为 0，标准差变为 1，形状不变",
    "in": "输入",
    "out": "输出",
    # learning_rate_and_scale, regularization_and_scale
    "weight scale: std times √n": "权重的尺度 s（标准差 = s/√n）",
    "initial weight scale: std times √n": "初始权重的尺度 s（标准差 = s/√n）",
    "final loss (2.3 and above: nothing learned)": "最终损失（2.3 及以上：什么都没学到）",
    "weight decay": "权重衰减",
    "dropout": "dropout 的丢弃率",
    # critical_line
    "weight variance times n": "权重的方差乘以 n",
    # trainability
    "accuracy": "准确率",
    # deep_conv
    "Gaussian": "高斯",
    "delta-orthogonal": "δ 正交",
    "In how many directions the images differ": "图像之间的差异分布在多少个方向上",
    "cross-entropy (dotted: guessing)": "交叉熵（点线：随机猜测）",
    # lsuv
    "orthogonal": "正交",
    # recurrent
    "identity": "恒等矩阵",
    "theory": "理论",
    "t: step": "t：时间步",
    "relative to the last": "相对于最后一步",
    "relu: learning to add two of many numbers": "ReLU：学习从许多数中挑出两个相加",
    "mean squared error (dotted: 1/6)": "均方误差（点线：1/6）",
    # makemore
    "small last layer": "最后一层取小",
    "and hidden scaled": "且隐藏层按扇入缩放",
    "and batch norm": "且加批归一化",
    "letters": "字母向量",
    "last layer": "最后一层",
    "Loss on the batches (dotted: ln 27)": "各批的损失（点线：ln 27）",
    "log10": "以 10 为底的对数",
    # convnet
    "conv 1": "卷积 1",
    "conv 2": "卷积 2",
    "linear 1": "线性 1",
    "linear 2": "线性 2",
    "Outputs before training": "训练前各层的输出",
    "Filters of the first layer, learned (He)": "第一层学到的卷积核（He）",
    # parametrization
    "inside: Variable(randn / sqrt(n))": "除法在变量之内：Variable(randn / sqrt(n))",
    "outside: Variable(randn) / sqrt(n)": "除法在变量之外：Variable(randn) / sqrt(n)",
    "outside, learning rate n times larger": "除法在变量之外，学习率为 n 倍",
    "Right on the test set": "测试集准确率",
    # linear_or_not
    "tanh(wx + b): w sets the slope, b the place": "tanh(wx + b)：w 决定斜率，b 决定位置",
    "step": "步",
    "XOR, three layers: the loss, a line for each seed": "XOR，三层网络的损失，每条线为一个随机种子",
    "none": "无",
    # zero_first_layer
    "random, first step": "随机，第一步",
    "first layer at 0, first step": "第一层为 0，第一步",
    "first layer at 0, after an epoch": "第一层为 0，一轮之后",
    "norm of the weights' gradient": "权重梯度的范数",
}

PATTERNS = {  # their groups are translated in turn
    r"std (\S+)": "标准差 {}",
    r"layer (\d+)\nstd (\S+)": "第 {} 层\n标准差 {}",
    r"W = (.+), (\w+)": "W = {}，{}",
    r"all at (\S+)": "全部为 {}",
    r"(.+): (\d+) distinct of (\d+)": "{}：不同的神经元 {}/{}",
    r"Weights of the hidden layer after training \((\w+)\): a row is a unit, a column a pixel": (
        "训练后隐藏层的权重（{}）：每行一个神经元，每列一个像素"
    ),
    r"(\w+): weights of (\d+) units of layer 1, after training: (.+)": "{}：训练后第 1 层中 {} 个神经元的权重，{}",
    r"(\d+) distinct": "{} 个互不相同",
    r"Outputs of (\d+) layers of (\d+) (\w+) units": "{} 层、每层 {} 个 {} 神经元的输出",
    r"scale (\S+)": "尺度 {}",
    r"(\d+) layers": "{} 层",
    r"(.+)\n(.+), std (\S+)": "{}\n{}，标准差 {}",
    r"variance (.+)": "方差 {}",
    r"(\w+): loss on the training set": "{}：训练集上的损失",
    r"lr (\S+)": "学习率 {}",
    r"SGD, momentum (\S+)": "SGD，动量 {}",
    r"(\d+)-layer (\w+) network; star: the best rate for each scale": "{} 层 {} 网络；星号：每种尺度下最好的学习率",
    r"Right on the test set, in %: a (\w+) network that learned (\d+) digits": "测试集准确率（%）：{} 网络，{} 张手写数字",
    r"Right on the test set; (\w+), bias variance (\S+)": "测试集准确率；{}，偏置的方差 {}",
    r"theory: (\d+) depth scales": "理论：{} 个深度尺度",
    r"critical: (\S+)": "临界值：{}",
    r"(.+): theory": "{}：理论",
    r"(\w+): signal before training, depth (\d+)": "{}：训练前的信号，深度 {}",
    r"(\w+): right on the test set": "{}：测试集准确率",
    r"(\w+): norm of the gradient of h_t": "{}：h_t 的梯度的范数",
    r"(.+): size of a step, relative to the weights": "{}：一步的大小（相对于权重）",
    r"into (\w+)": "{} 输入",
    r"(.+), batch norm": "{}，批归一化",
    r"skewness (\S+), kurtosis (\S+): in and out": "偏度 {}、峰度 {}：前后相同",
    r"guessing: (.+)": "随机猜测：{}",
    r"activation: (\w+)": "激活函数：{}",
    r"two values, (\S+) and (\S+)": "两个值：{} 和 {}",
}


def translate(label: str) -> str:
    """A label in Chinese; the label itself, if the table does not have it.

    Examples
    --------
    >>> translate("relu: right on the test set")
    'ReLU：测试集准确率'
    """
    if label in LABELS:
        return LABELS[label]
    for pattern, chinese in PATTERNS.items():
        if match := re.fullmatch(pattern, label):
            return chinese.format(*map(translate, match.groups()))
    return label


@functools.cache
def font() -> str | None:
    """The family of an installed Chinese font; None, after a line that says so once, if there is none."""
    from matplotlib import font_manager

    for path in font_manager.findSystemFonts():  # matplotlib's own list may be older than the font
        if Path(path).name in FONTS.values():
            font_manager.fontManager.addfont(path)
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    family = next((family for family in FONTS if family in installed), None)
    if family is None:
        print("No Chinese font is installed, so the labels stay English: apt install fonts-noto-cjk")
    return family


def in_chinese(figure: Any) -> Any:
    """Translate the labels of a figure, in place. Returns the figure."""
    from matplotlib.axis import Axis
    from matplotlib.text import Text

    family = font()
    if family is None:
        return figure
    for axis in figure.findobj(Axis):  # it sets its texts whenever it is drawn, so it must know the new ones
        ticks = [text.get_text() for text in axis.get_ticklabels()]
        if (chinese := [translate(tick) for tick in ticks]) != ticks:
            axis.set_ticklabels(chinese)
    for text in figure.findobj(Text):
        text.set_text(translate(text.get_text()))
        if not text.get_text().isascii():
            text.set_fontfamily(["DejaVu Sans", family])  # what the first lacks is taken from the second
    return figure


def chinese_name(path: Path) -> Path:
    """Where the Chinese version of a picture is.

    Examples
    --------
    >>> chinese_name(Path("docs/claims/lsuv.png")).name
    'lsuv.zh-CN.png'
    """
    return path.with_suffix(f".zh-CN{path.suffix}")


@contextlib.contextmanager
def both_languages() -> Iterator[None]:
    """Within it, a picture that a script saves is saved a second time with Chinese labels, beside the first.

    Examples
    --------
    >>> with both_languages():  # doctest: +SKIP
    ...     symmetry.main(["--out", "symmetry.png"])  # and symmetry.zh-CN.png
    """
    font()  # what it prints must not fall into what a script prints
    save = plot.save

    def twice(figure: Any, path: Any = None) -> Any:
        save(figure, path)
        return figure if path is None else save(in_chinese(figure), chinese_name(Path(path)))

    plot.save = twice
    try:
        yield
    finally:
        plot.save = save


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    del sys.argv[0]
    with both_languages():
        runpy.run_path(sys.argv[0], run_name="__main__")
