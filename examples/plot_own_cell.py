"""
Writing your own cell
=====================

``cell`` takes the name of a recurrence or a torch module class. A class that knows one step is
enough: everything around it (batches, masks, both directions, stacking, pooling, training) stays
as it is. We write a cell whose units forget at rates of their own, and set it against the others.
"""

# %%
# A cell in ten lines
# -------------------
# Each unit is a leaky average of a nonlinear mixture of input and state,
# :math:`h_t = (1 - a) \odot h_{t-1} + a \odot \tanh(W x_t + U h_{t-1} + b)`, with a leak
# :math:`a` between 0 and 1 that is learned. The contract is that of :class:`torch.nn.GRUCell`: the
# constructor takes the two sizes, ``forward`` takes the step and the state before it (None at
# the first step) and returns the state after it.

import matplotlib.pyplot as plt
import torch

from sklearn_rnn import RNNClassifier
from sklearn_rnn.datasets import load_japanese_vowels


class LeakyCell(torch.nn.Module):
    """Units that forget at rates of their own."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.mix = torch.nn.Linear(input_size + hidden_size, hidden_size)
        self.leak = torch.nn.Parameter(torch.linspace(-3, 3, hidden_size))

    def forward(self, x, state):
        if state is None:
            state = x.new_zeros(x.shape[0], self.mix.out_features)
        candidate = torch.tanh(self.mix(torch.cat([x, state], dim=1)))
        a = torch.sigmoid(self.leak)
        return (1 - a) * state + a * candidate


# %%
# In use
# ------
# JapaneseVowels again: recordings of nine speakers, 12 channels, 7 to 29 steps. The mask that keeps
# short recordings from reading their padding is not the cell's business. To see the cells by
# themselves, we switch off the closed-form path that stands beside them by default.

X_train, y_train = load_japanese_vowels(subset="train", return_X_y=True)
X_test, y_test = load_japanese_vowels(subset="test", return_X_y=True)

scores = {}
for cell in ["rnn", "gru", "lstm", LeakyCell]:
    classifier = RNNClassifier(24, cell=cell, max_epochs=15, closed_form=False, random_state=0)
    name = cell if isinstance(cell, str) else cell.__name__
    scores[name] = classifier.fit(X_train, y_train).score(X_test, y_test)
    print(f"{name:10s} {classifier.n_weights_:6,} weights  {scores[name]:.3f}")

# %%
# What it learned
# ---------------
# The trained module is there to be looked at. Units with a small leak remember long, units with a
# large one follow the input.

layers = classifier.net_.module_.recurrence.layers[0]
figure, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
start = torch.sigmoid(torch.linspace(-3, 3, 24))
ax.plot(start, color="0.6", linestyle=":", label="at the start")
for layer, name, color in zip(layers, ["forward", "backward"], ["#0072B2", "#D55E00"], strict=True):
    ax.plot(torch.sigmoid(layer.cell.leak).detach(), "o-", color=color, markersize=4, label=name)
ax.set(xlabel="unit", ylabel="leak a", ylim=(0, 1))
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)

# %%
# ``hidden_states`` gives every step's state, as :class:`~sklearn_rnn.Sequences`.

states = classifier.hidden_states(X_test[:1])[0]
print(states.shape)
figure, axes = plt.subplots(2, 1, figsize=(7, 4.4), sharex=True, layout="constrained")
axes[0].plot(X_test[0], linewidth=1)
axes[0].set_ylabel("coefficients")
image = axes[1].imshow(states[:, :24].T, aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1)
axes[1].set(xlabel="step", ylabel="unit (forward)", xticks=range(0, len(states), 5))
figure.colorbar(image, ax=axes[1], label="state")
# sphinx_gallery_thumbnail_number = 2
plt.show()
