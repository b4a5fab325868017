// What the explorer says, in English and Chinese. A function where a sentence holds numbers.

const list = (layers) => (layers.length <= 4 ? layers.join(", ") : `${layers.slice(0, 2).join(", ")}, ..., ${layers.at(-1)}`);
const n = (value) => (value === null || value === undefined ? "-" : !Number.isFinite(value) ? String(value) : value === 0 ? "0" : Math.abs(value) >= 1e4 || Math.abs(value) < 1e-2 ? value.toExponential(1) : String(Number(value.toPrecision(3))));
const percent = (fraction) => `${Math.round(100 * fraction)} %`;
const large = (value) => (value < 1e6 ? Math.round(Number(value.toPrecision(2))).toLocaleString("en") : value.toExponential(0));
export const shown = { n, percent };

const en = {
  title: "Initialization, to touch", other: "中文", otherLabel: "中文：切换为中文",
  presets: "Questions", controls: "The network",
  data: "data", depth: "depth (layers with weights)", width: "width (units of a hidden layer)", activation: "activation", init: "initializer",
  gain: "gain (weights are multiplied by it)", gainOf: { constant: "the constant that all weights are", normal: "standard deviation of the weights", uniform: "weights lie between - and + this" },
  bias: "first value of the biases", norm: "batch norm after each hidden layer's sum", seed: "seed", rate: "learning rate", momentum: "momentum",
  one: "One layer by itself", layer: "layer", layerInit: "its initializer", layerGain: "its gain", asNetwork: "as the network", layerN: (i) => `layer ${i}`,
  datas: { digits: "handwritten digits (8 x 8)", spirals: "three spirals", circles: "two circles" },
  activations: { tanh: "tanh", relu: "ReLU", sigmoid: "sigmoid", leaky_relu: "leaky ReLU", elu: "ELU", silu: "SiLU", gelu: "GELU", identity: "none (linear)" },
  inits: { xavier_normal: "Xavier, normal", xavier_uniform: "Xavier, uniform", he_normal: "He, normal", he_uniform: "He, uniform", lecun_normal: "LeCun, normal",
    lecun_uniform: "LeCun, uniform", orthogonal: "orthogonal", normal: "normal", uniform: "uniform", constant: "constant", zeros: "zeros" },
  flowTitle: "Signal and gradient, layer by layer", countsTitle: "Units that work", trainTitle: "Training", unitsTitle: "Weights of the first layer, as images", surfaceTitle: "Decision surface",
  layersTitle: "Each layer", layersHelp: "Above, how the layer's outputs are distributed; below, the gradient for them. Choose a layer to give it an initializer of its own.",
  pythonTitle: "This network in Python", pythonHelp: "The same seed gives the same weights there, bit for bit.",
  copy: "Copy the program", copyLink: "Copy a link to this", copied: "Copied.", notCopied: "The browser does not allow copying; mark the text yourself.",
  train: "Train", pause: "Pause", step: "One step", reset: "Begin again",
  out: "standard deviation of outputs", grad: "gradient, relative to the last layer", gradStd: "standard deviation of the gradient", theory: "theory",
  distinct: "units that differ", dead: "dead units", saturated: "saturated outputs", fraction: "fraction", layerAxis: "layer",
  loss: "loss", accuracy: "accuracy", steps: (k, loss, accuracy) => `step ${k}: loss ${n(loss)}, accuracy ${percent(accuracy)}`,
  record: (r, i) => `layer ${i}: ${r.units} units, ${r.distinct} of them different; outputs have standard deviation ${n(r.out.std)}${r.predicted.std === null ? "" : ` (theory ${n(r.predicted.std)})`}, the gradient ${n(r.grad.std)}${r.dead ? `; ${r.dead} units dead` : ""}${r.saturated > 0 ? `; ${percent(r.saturated)} saturated` : ""}`,
  tags: { distinct: (k, of) => `${k} of ${of} differ`, dead: (k) => `${k} dead`, saturated: (f) => `${percent(f)} flat` },
  unitsSaid: (k) => `${k} images of 8 x 8 pixels: the weights that each unit of the first layer has for the pixels`,
  surfaceSaid: (accuracy) => `Which class the network gives each point of the plane; ${percent(accuracy)} of the data get theirs`,
  verdicts: {
    none: () => ["No fault found.", "The signal and its gradient reach all layers; this network can learn."],
    clones: (v) => [`Clones: in layer ${list(v.layers)} only ${v.distinct} of ${v.units} units differ.`, v.stay
      ? "Units with equal weights get equal gradients and stay equal for ever: the layer is as good as one unit. Random weights break the symmetry."
      : "The next layer gives them different gradients, but until they have moved they pass on one number. Random weights break the symmetry."],
    overflow: (v) => [`Overflow: numbers in layer ${list(v.layers)} are infinite or not numbers.`, "They became too large. Use smaller weights or a smaller learning rate, and begin again."],
    dead: (v) => [`Dead: in layer ${list(v.layers)} units (${v.dead} of ${v.units}) are off for every input.`, "Their slope is 0, so nothing before them learns through them. Use He's initializer, and no large negative bias; or batch norm."],
    saturated: (v) => [`Saturated: in layer ${list(v.layers)} up to ${percent(v.fraction)} of the outputs lie where the activation is flat.`, v.steps ? "Hardly any gradient passes there. The weights have grown too large: begin again with a smaller learning rate, or batch norm."
      : "Hardly any gradient passes there. The weights are too large: use Xavier's initializer, or batch norm."],
    vanishing: (v) => [`Vanishing: on its way back to the first layer the gradient becomes ${v.times ? `${large(1 / v.times)} times smaller` : "exactly 0"}.`, "The first layers hardly learn. Use an initializer that fits the activation (Xavier for tanh, He for ReLU), or batch norm."],
    exploding: (v) => [`Exploding: on its way back to the first layer the gradient becomes ${large(v.times)} times larger.`, "A step that is right for the last layers is far too large for the first ones. Use smaller weights, or batch norm."],
    loss: (v) => [`${v.steps ? "The loss" : "The first loss"} is ${n(v.loss)}, where equal scores have ${n(v.expected)}.`, "The network is sure and wrong, and training must first undo that. Use smaller weights in the last layer."],
  },
  unread: (key, text, allowed) => `The link says ${key}=${text}, which cannot be: ${allowed}. It is shown without that.`,
  numbersAllowed: (low, high, whole) => `${key(whole)} from ${low} to ${high}`, namesAllowed: (names) => `one of ${names.join(", ")}`, keysAllowed: "no such setting", widthsAllowed: "there must be a width from 2 to 256 for each hidden layer", layersAllowed: "layers are written as 3:zeros:1, number, initializer and gain, and the network must have them",
  noMemory: "The browser has no memory for a network of this size; it is shown smaller.",
  tooOld: "This browser cannot run WebAssembly with SIMD, which the explorer is made of. Any browser of 2023 or later can.",
  damaged: "This file is damaged: its engine cannot be read. Get it once more.",
  presetList: [
    ["zeros", "All zeros", "Every unit of a layer computes the same and gets the same gradient: here none at all. However long you train, the hidden layers never learn.", { init: "zeros", depth: 4 }],
    ["constant", "All the same", "With 0.1 everywhere the units of a layer are all the same, and so are their gradients, in the hidden layers none at first. They move together, and the layer stays one unit wide.", { init: "constant", gain: 0.1, depth: 4 }],
    ["small", "0.01: too small", "Each layer makes the signal smaller, and the gradient on its way back. Ten layers on hardly anything is left.", { init: "normal", gain: 0.01, depth: 10 }],
    ["large", "1.0: too large", "Sums of 64 numbers are large, so tanh is at -1 or 1 nearly everywhere. It is flat there, and gradients do not pass.", { init: "normal", gain: 1, depth: 10 }],
    ["xavier", "Xavier", "Variance 2 / (fan_in + fan_out): for tanh, signal and gradient keep about their size. Twenty layers on both are alive.", { init: "xavier_normal", depth: 20, rate: 0.01 }],
    ["xavier-relu", "Xavier with ReLU", "ReLU throws away half of each signal, and Xavier does not know. After thirty layers the gradient's square has been halved thirty times.", { init: "xavier_normal", activation: "relu", depth: 30, rate: 0.003 }],
    ["he", "He", "Twice the variance makes up for the half that ReLU throws away. Signal and gradient keep their size through thirty layers.", { init: "he_normal", activation: "relu", depth: 30, rate: 0.003 }],
    ["lecun", "LeCun", "Variance 1 / fan_in keeps the size of the signal of linear units. In a layer as wide as the one before it, it is Xavier's.", { init: "lecun_normal", depth: 10, rate: 0.02 }],
    ["orthogonal", "Orthogonal", "Each layer turns the signal without stretching it. Without an activation the size is kept exactly, fifty layers deep.", { init: "orthogonal", activation: "identity", depth: 50, rate: 0.001 }],
    ["batch-norm", "Batch norm rescues", "The weights are still 0.01, but after each sum batch norm brings the signal back to size 1. The initial scale hardly matters any more.", { init: "normal", gain: 0.01, depth: 10, norm: "1", rate: 0.02 }],
    ["dying", "Dying ReLU", "With biases of -1 most sums are below 0, where ReLU's slope is 0. Units that are off for every input get no gradient and never come back.", { init: "he_normal", activation: "relu", bias: -1, depth: 6 }],
    ["one-zero", "One layer of zeros", "Only layer 3 of 6 starts at zero. Nothing passes it, forward or backward, so one layer is enough to stop all the others.", { depth: 6, layers: { 3: ["zeros", 1] } }],
  ],
};
const key = (whole) => (whole ? "whole numbers" : "numbers");

const zh = {
  title: "亲手试试初始化", other: "English", otherLabel: "English: switch to English",
  presets: "问题", controls: "网络",
  data: "数据", depth: "深度（有权重的层数）", width: "宽度（隐藏层的单元数）", activation: "激活函数", init: "初始化方法",
  gain: "增益（所有权重乘以它）", gainOf: { constant: "所有权重取的常数", normal: "权重的标准差", uniform: "权重在正负此数之间" },
  bias: "偏置的初值", norm: "每个隐藏层求和之后加批归一化", seed: "随机种子", rate: "学习率", momentum: "动量",
  one: "单独一层", layer: "层", layerInit: "它的初始化方法", layerGain: "它的增益", asNetwork: "与整个网络相同", layerN: (i) => `第 ${i} 层`,
  datas: { digits: "手写数字（8 × 8）", spirals: "三条螺旋线", circles: "两个圆环" },
  activations: { tanh: "tanh", relu: "ReLU", sigmoid: "sigmoid", leaky_relu: "leaky ReLU", elu: "ELU", silu: "SiLU", gelu: "GELU", identity: "无（线性）" },
  inits: { xavier_normal: "Xavier 正态", xavier_uniform: "Xavier 均匀", he_normal: "He 正态", he_uniform: "He 均匀", lecun_normal: "LeCun 正态",
    lecun_uniform: "LeCun 均匀", orthogonal: "正交", normal: "正态", uniform: "均匀", constant: "常数", zeros: "全零" },
  flowTitle: "逐层的信号与梯度", countsTitle: "有用的单元", trainTitle: "训练", unitsTitle: "第一层的权重（画成图像）", surfaceTitle: "决策面",
  layersTitle: "每一层", layersHelp: "上：该层输出的分布；下：对输出的梯度的分布。选中一层，可以单独给它一种初始化方法。",
  pythonTitle: "用 Python 写出这个网络", pythonHelp: "在那里，相同的种子给出逐位相同的权重。",
  copy: "复制程序", copyLink: "复制链接", copied: "已复制。", notCopied: "浏览器不允许复制；请自行选中文字。",
  train: "训练", pause: "暂停", step: "走一步", reset: "重新开始",
  out: "输出的标准差", grad: "梯度（相对于最后一层）", gradStd: "梯度的标准差", theory: "理论",
  distinct: "互不相同的单元", dead: "死亡单元", saturated: "饱和的输出", fraction: "比例", layerAxis: "层",
  loss: "损失", accuracy: "准确率", steps: (k, loss, accuracy) => `第 ${k} 步：损失 ${n(loss)}，准确率 ${percent(accuracy)}`,
  record: (r, i) => `第 ${i} 层：${r.units} 个单元，其中 ${r.distinct} 个互不相同；输出的标准差 ${n(r.out.std)}${r.predicted.std === null ? "" : `（理论 ${n(r.predicted.std)}）`}，梯度 ${n(r.grad.std)}${r.dead ? `；${r.dead} 个单元死亡` : ""}${r.saturated > 0 ? `；${percent(r.saturated)} 饱和` : ""}`,
  tags: { distinct: (k, of) => `${of} 个中 ${k} 个不同`, dead: (k) => `${k} 个死亡`, saturated: (f) => `${percent(f)} 饱和` },
  unitsSaid: (k) => `${k} 幅 8 × 8 像素的图像：第一层每个单元对各像素的权重`,
  surfaceSaid: (accuracy) => `网络给平面上每一点的类别；${percent(accuracy)} 的数据分类正确`,
  verdicts: {
    none: () => ["没有发现问题。", "信号和梯度都能到达每一层；这个网络可以学习。"],
    clones: (v) => [`克隆：第 ${list(v.layers)} 层的 ${v.units} 个单元中只有 ${v.distinct} 个互不相同。`, v.stay
      ? "权重相同的单元得到相同的梯度，永远保持相同：整层只抵得上一个单元。随机权重可以打破这种对称。"
      : "下一层给它们不同的梯度，但在它们改变之前，整层只传递一个数。随机权重可以打破这种对称。"],
    overflow: (v) => [`溢出：第 ${list(v.layers)} 层出现无穷大或非数。`, "数值变得太大。请用更小的权重或学习率，并重新开始。"],
    dead: (v) => [`死亡：第 ${list(v.layers)} 层有单元（${v.units} 个中 ${v.dead} 个）对每个输入都关闭。`, "它们的斜率为 0，前面的层无法通过它们学习。请用 He 初始化，不要用很负的偏置；或者用批归一化。"],
    saturated: (v) => [`饱和：第 ${list(v.layers)} 层最多有 ${percent(v.fraction)} 的输出位于激活函数的平坦区。`, v.steps ? "那里几乎没有梯度能通过。权重变得太大：请用更小的学习率重新开始，或用批归一化。" : "那里几乎没有梯度能通过。权重太大：请用 Xavier 初始化或批归一化。"],
    vanishing: (v) => [`消失：梯度传回第一层时${v.times ? `缩小为 1/${large(1 / v.times)}` : "变成恰好 0"}。`, "前面的层几乎学不到东西。请用与激活函数相配的初始化（tanh 用 Xavier，ReLU 用 He），或批归一化。"],
    exploding: (v) => [`爆炸：梯度传回第一层时放大到 ${large(v.times)} 倍。`, "适合后面各层的步长，对前面的层来说太大了。请用更小的权重或批归一化。"],
    loss: (v) => [`${v.steps ? "损失" : "最初的损失"}是 ${n(v.loss)}，而各类得分相等时是 ${n(v.expected)}。`, "网络既自信又错误，训练必须先纠正这一点。请让最后一层的权重更小。"],
  },
  unread: (k, text, allowed) => `链接中的 ${k}=${text} 不可用：${allowed}。页面忽略了它。`,
  numbersAllowed: (low, high, whole) => `应为 ${low} 到 ${high} 的${whole ? "整数" : "数"}`, namesAllowed: (names) => `应为 ${names.join("、")} 之一`, keysAllowed: "没有这个设置", widthsAllowed: "每个隐藏层应有一个 2 到 256 的宽度", layersAllowed: "各层写作 3:zeros:1，即层号、初始化方法和增益，且网络要有这一层",
  noMemory: "浏览器没有足够的内存放下这么大的网络；已改为较小的网络。",
  tooOld: "这个浏览器不能运行带 SIMD 的 WebAssembly，而本页由它构成。2023 年以后的浏览器都可以。",
  damaged: "本文件已损坏，无法读取其中的计算引擎。请重新获取。",
  presetList: [
    ["zeros", "全零", "同一层的每个单元算出同样的结果，得到同样的梯度：这里干脆没有梯度。无论训练多久，隐藏层都学不到东西。"],
    ["constant", "全部相同", "处处取 0.1 时，同一层的单元全都相同，梯度也全都相同，隐藏层起初根本没有梯度。它们一起移动，整层始终只有一个单元那么宽。"],
    ["small", "0.01：太小", "每一层都让信号变小，也让往回传的梯度变小。十层之后几乎什么也不剩。"],
    ["large", "1.0：太大", "64 个数的和很大，tanh 几乎处处在 -1 或 1。那里是平的，梯度传不过去。"],
    ["xavier", "Xavier", "方差 2 / (fan_in + fan_out)：对 tanh，信号和梯度大致保持大小。二十层之后两者仍然存在。"],
    ["xavier-relu", "Xavier 配 ReLU", "ReLU 丢掉每个信号的一半，而 Xavier 不知道。三十层之后，梯度的平方被减半了三十次。"],
    ["he", "He", "两倍的方差补回 ReLU 丢掉的一半。三十层之后信号和梯度仍保持大小。"],
    ["lecun", "LeCun", "方差 1 / fan_in 保持线性单元的信号大小。当一层与前一层同宽时，它就是 Xavier。"],
    ["orthogonal", "正交", "每一层只旋转信号而不拉伸。没有激活函数时，五十层之后大小仍精确不变。"],
    ["batch-norm", "批归一化来救场", "权重仍是 0.01，但每次求和之后，批归一化把信号恢复到大小 1。初始的尺度几乎不再重要。"],
    ["dying", "ReLU 死亡", "偏置为 -1 时，多数和低于 0，那里 ReLU 的斜率为 0。对所有输入都关闭的单元得不到梯度，再也回不来。"],
    ["one-zero", "一层为零", "六层中只有第 3 层从零开始。信号和梯度都通不过它，一层就足以让其他各层停下来。"],
  ],
};
export const WORDS = { en, zh };
