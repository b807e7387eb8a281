"""The table: every method of the LoRA family that PEFT has and that keeps the contract of tuning methods.

A new row is a new method, with its command line, its documentation and its tests. Where a learning rate comes from is
said beside it. "PEFT's comparison" is https://github.com/huggingface/peft/tree/main/method_comparison/MetaMathQA, in
which each method tunes Llama-3.2-3B. "Measured" means that a Llama of four blocks, 128 wide, trained on English and
tuned for 40 steps on SQL, then learns about as fast as it does by LoRA at LoRA's rate (held-out loss from 3.09 to 2.84
nats a byte), and faster at three times the rate. All rates here passed that test but fourierft's, which is for wider
layers.
"""

from __future__ import annotations

from typing import Literal

from ftcore_plugins.lora_family.row import SHARE, Row, Setting, alpha, dropout, rank

_ROWS = (
    Row(
        name="vera",
        summary="two vectors a layer train, between random matrices that all layers share",
        peft="VeraConfig",
        formula="W·x + b∘(B·(d∘(A·x))): A and B are random, frozen and shared by all layers; the vectors b and d train "
        "(https://arxiv.org/abs/2310.11454).",
        settings=(
            rank(256, help="Length of d. It costs little, so it is larger than LoRA's; A and B are saved too."),
            dropout("vera_dropout"),
            Setting(name="d_initial", default=0.1, peft="d_initial", kind=float, help="Where all of d starts."),
        ),
        # Measured (2.8). The paper instructs Llama 2 of 7B and more with 4e-3, ten times what it takes for LoRA.
        learning_rate=1e-2,
        conv1d=True,
    ),
    Row(
        name="adalora",
        summary="LoRA that moves rank to the layers where it matters",
        peft="AdaLoraConfig",
        formula="W·x + (alpha/initial_rank)·P·Λ·Q·x: P and Q are kept near orthogonal, and the least important numbers "
        "of the diagonal Λ, over all layers, become zero (https://arxiv.org/abs/2303.10512).",
        settings=(
            rank(8, "target_r", "Rank that is left at the end, on average over the layers."),
            Setting(name="initial_rank", default=12, peft="init_r", help="Rank of every layer at the start."),
            alpha(32, "lora_alpha", "The update is scaled by alpha/initial_rank."),
            dropout("lora_dropout"),
            Setting(
                name="begin", default=0.1, kind=float, bounds=SHARE, help="Share of the steps before any rank goes."
            ),
            Setting(
                name="settle",
                default=0.4,
                kind=float,
                bounds=SHARE,
                help="Share of the steps, at the end, in which the ranks stay as they have become.",
            ),
            Setting(name="every", default=1, peft="deltaT", help="Steps from one choice of ranks to the next."),
            Setting(
                name="orthogonal",
                default=0.5,
                kind=float,
                bounds={"ge": 0},
                help="Weight of the penalty that keeps P and Q near orthogonal.",
            ),
        ),
        # Measured (2.9); the upper end of what the paper takes, 5e-4 to 2.2e-3 on GLUE.
        learning_rate=2e-3,
        base="AdaLoraSettings",
        # PEFT wants to know the number of steps, and the run says it when training begins. The penalty is not PEFT's,
        # which reaches only losses that the model computes.
        fixed={"total_step": 1, "orth_reg_weight": 0.0},
        conv1d=True,
        factory="ftcore_plugins.lora_family.adalora:AdaLora",
    ),
    Row(
        name="oft",
        summary="the inputs of each layer are rotated, block by block",
        peft="OFTConfig",
        formula="W·R·x: R is orthogonal and made of blocks, so that angles between neurons stay what they were "
        "(https://arxiv.org/abs/2306.07280, in the form of https://arxiv.org/abs/2506.19847).",
        settings=(
            Setting(
                name="block",
                default=32,
                peft="oft_block_size",
                divides=("in",),
                help="Width of the blocks that are rotated: more holds more, and costs more memory.",
            ),
            dropout("module_dropout", "the blocks that are"),
        ),
        # Measured (2.7).
        learning_rate=4e-4,
    ),
    Row(
        name="boft",
        summary="the inputs of each layer are rotated in small blocks, and its outputs scaled",
        peft="BOFTConfig",
        formula="s∘(W·R·x): as oft, with exact rotations and a trained scale s for each output "
        "(https://arxiv.org/abs/2311.06243). With one butterfly factor, since PEFT silently takes one wherever its "
        "CUDA extension is not compiled, and the adapter would not load elsewhere.",
        settings=(
            Setting(
                name="block",
                default=4,
                peft="boft_block_size",
                bounds={"gt": 0, "multiple_of": 2},
                divides=("in",),
                help="Width of the blocks that are rotated: more holds more, and costs more memory.",
            ),
            dropout("boft_dropout", "the blocks that are"),
        ),
        # Measured (2.9).
        learning_rate=1e-3,
        fixed={"boft_n_butterfly_factor": 1},
    ),
    Row(
        name="loha",
        summary="the elementwise product of two low-rank updates trains",
        peft="LoHaConfig",
        formula="W·x + (alpha/rank)·((B₁·A₁)∘(B₂·A₂))·x, which has a rank of up to rank² "
        "(https://arxiv.org/abs/2108.06098).",
        settings=(rank(16), alpha(32), dropout("rank_dropout", "the outputs of the update that is")),
        # Measured (2.9).
        learning_rate=1e-3,
    ),
    Row(
        name="lokr",
        summary="the Kronecker product of a small matrix and a low-rank one trains",
        peft="LoKrConfig",
        formula="W·x + (alpha/rank)·(C⊗(B·A))·x (https://arxiv.org/abs/2309.14859).",
        settings=(
            rank(32),
            alpha(64),
            dropout("rank_dropout", "the outputs of the update that is"),
            Setting(
                name="factor",
                default=4,
                peft="decompose_factor",
                help="Width of C, or the next smaller number that divides the layer's: more makes the update smaller.",
            ),
        ),
        # PEFT's comparison, with the same rank, alpha and factor; measured (2.7).
        learning_rate=3e-3,
    ),
    Row(
        name="hra",
        summary="the inputs of each layer pass through a few trained reflections",
        peft="HRAConfig",
        formula="W·H₁⋯H_r·x with H = I − 2·u·uᵀ/‖u‖² (https://arxiv.org/abs/2405.17484).",
        settings=(
            rank(
                8,
                help="Number of reflections, an even one, so that at the start they undo each other.",
                bounds={"gt": 0, "multiple_of": 2},
            ),
            Setting(
                name="orthogonal",
                default=False,
                peft="apply_GS",
                kind=bool,
                bounds={},
                help="Make the reflections orthogonal to each other: nearer to the base model, and slower.",
            ),
        ),
        # Measured (2.9).
        learning_rate=1e-3,
    ),
    Row(
        name="fourierft",
        summary="a few frequencies of each layer's update train",
        peft="FourierFTConfig",
        formula="W·x + alpha·F⁻¹(E)·x: E is zero but at a few random places, which train; F⁻¹ is the inverse Fourier "
        "transform of the whole matrix (https://arxiv.org/abs/2405.03003).",
        settings=(
            Setting(
                name="frequencies",
                default=1000,
                peft="n_frequency",
                help="Numbers that train in each layer, all there are to learn with.",
            ),
            alpha(300, "scaling", "The update is multiplied by this."),
            Setting(
                name="places",
                default=777,
                peft="random_loc_seed",
                bounds={"ge": 0},
                help="Seed of the places, saved with the adapter.",
            ),
        ),
        # The paper instructs Llama with 3e-2, a thousand frequencies and a scale of 300. What a number does to a weight
        # falls with the size of the layer; on one of 128 × 128, three times as much diverges.
        learning_rate=3e-2,
        # PEFT draws the numbers at random; from zero, the model starts as its base.
        fixed={"init_weights": True},
        conv1d=True,
    ),
    Row(
        name="randlora",
        summary="scales of random low-rank matrices train, which add up to full rank",
        peft="RandLoraConfig",
        formula="W·x + Σ_j B_j·Λ_j·A_j·Γ_j·x: A and B are random, frozen and shared; the diagonals Λ and Γ train "
        "(https://arxiv.org/abs/2502.00987).",
        settings=(
            rank(32, help="Rank of the random matrices: *less* trains more, since more of them are needed."),
            alpha(640, "randlora_alpha", "The update is scaled by alpha/rank; the paper takes 20 times the rank."),
            dropout("randlora_dropout"),
        ),
        # LoRA's, as in the paper; measured (2.8).
        learning_rate=2e-4,
        conv1d=True,
    ),
    Row(
        name="c3a",
        summary="circular convolutions beside the frozen weights train",
        peft="C3AConfig",
        formula="W·x + C·x: each block of C is a circulant matrix, so that one vector says it all "
        "(https://arxiv.org/abs/2407.19342).",
        settings=(
            Setting(
                name="block",
                default=64,
                peft="block_size",
                divides=("in", "out"),
                help="Width of the blocks: *less* trains more. It divides the widths of every layer.",
            ),
        ),
        # PEFT's comparison, with the same block: the convolution is divided by the layer's width. Measured (2.4).
        learning_rate=3e-1,
        fixed={"init_weights": True},
    ),
    Row(
        name="miss",
        summary="one small matrix a layer trains, shared by shards of its inputs",
        peft="MissConfig",
        formula="W·x + D·S·x: S adds the inputs up in groups, D trains (https://arxiv.org/abs/2409.15371).",
        settings=(
            rank(32, help="Number of sums that the inputs are added up to: more holds more, and costs more memory."),
            dropout("miss_dropout"),
        ),
        # Measured (2.7); PEFT's comparison.
        learning_rate=1e-4,
    ),
    Row(
        name="vblora",
        summary="LoRA whose matrices are mixed from one bank of vectors",
        peft="VBLoRAConfig",
        formula="W·x + B·A·x: each piece of A and B is a mixture of the `top` best-liked vectors of a bank that all "
        "layers share (https://arxiv.org/abs/2405.15179).",
        settings=(
            rank(4),
            Setting(name="vectors", default=256, peft="num_vectors", help="Vectors in the bank."),
            Setting(
                name="length",
                default=64,
                peft="vector_length",
                divides=("in", "out"),
                help="Length of a vector. It divides the widths of every layer.",
            ),
            Setting(name="top", default=2, peft="topk", help="Vectors to a mixture."),
            dropout("vblora_dropout"),
        ),
        # Between the paper's, 1e-3 for the bank and 1e-2 for the mixtures; measured (2.8).
        learning_rate=3e-3,
        conv1d=True,
    ),
    Row(
        name="shira",
        summary="a few of the weights themselves train, chosen at random",
        peft="ShiraConfig",
        formula="(W + S)·x: S is zero but at random places, which are saved (https://arxiv.org/abs/2406.13175).",
        settings=(rank(16, help="As many weights train as in LoRA of this rank."),),
        # PEFT's comparison; measured (2.7).
        learning_rate=3e-4,
    ),
    Row(
        name="road",
        summary="the outputs of each layer are rotated and scaled in pairs",
        peft="RoadConfig",
        formula="R·W·x: R turns pairs of outputs, and scales them (https://arxiv.org/abs/2409.00119).",
        settings=(
            Setting(
                name="variant",
                default="road_1",
                peft="variant",
                kind=Literal["road_1", "road_2", "road_4"],
                bounds={},
                help="Each pair has one angle and one scale (`road_1`), two, or four numbers of its own.",
            ),
            Setting(
                name="group",
                default=64,
                peft="group_size",
                bounds={"gt": 0, "multiple_of": 2},
                divides=("out",),
                help="Outputs that are paired among themselves. It holds nothing more; it divides every layer's width.",
            ),
        ),
        # Measured (2.9). PEFT's comparison takes 1e-3 for 3B.
        learning_rate=3e-3,
    ),
    Row(
        name="delora",
        summary="LoRA that learns how strong an update is apart from its direction",
        peft="DeloraConfig",
        formula="W·x + (λ·‖W‖/rank)·B·Ξ·A·x: Ξ takes the length off each pair of B and A, and λ trains "
        "(https://arxiv.org/abs/2503.18225).",
        settings=(
            rank(16),
            Setting(
                name="strength",
                default=1.0,
                peft="delora_lambda",
                kind=float,
                help="Where λ starts. The length of an update is λ from the first step on, whatever the learning rate.",
            ),
            dropout("module_dropout"),
        ),
        # With PEFT's λ of 15 a 135M model falls apart in ten steps (loss 0.84 → 8.7), at a tenth of the rate too; with
        # a λ of 1 it learns well (→ 0.52).
        learning_rate=1e-3,
    ),
    Row(
        name="gralora",
        summary="LoRA of each part of a weight by itself",
        peft="GraloraConfig",
        formula="W is cut into parts² blocks, each with a small LoRA of its own (https://arxiv.org/abs/2505.20355).",
        settings=(
            rank(32),
            alpha(64),
            dropout("gralora_dropout"),
            Setting(
                name="parts",
                default=2,
                peft="gralora_k",
                divides=("in", "out"),
                help="Into how many parts inputs and outputs are cut. It divides the widths of every layer.",
            ),
        ),
        # PEFT's comparison; measured (2.7).
        learning_rate=2e-4,
        conv1d=True,
    ),
    Row(
        name="hira",
        summary="a low-rank matrix multiplies the frozen weights, element by element",
        peft="HiraConfig",
        formula="(W + W∘(B·A))·x, whose update can have full rank (https://openreview.net/forum?id=TwJrTz9cRS).",
        settings=(rank(32), dropout("hira_dropout")),
        # PEFT's comparison; measured (2.7). The update is small, since it is a share of each weight.
        learning_rate=4.5e-3,
        conv1d=True,
    ),
)

ROWS = {row.name: row for row in _ROWS}
