"""Where ``--help`` was changed on purpose since its pages were frozen: what it said, and what it says."""

from __future__ import annotations

DETAILS = "  --details show all findings, published numbers, recipes, seeds, costs and versions too\n"
INTERVALS = "  --intervals show intervals behind the scores\n"
RESULTS = (("[--output OUTPUT]", "[--results RESULTS]"), ("--output OUTPUT", "--results RESULTS"))
"""The results folder has one name."""
DIFFERENCES: dict[str, tuple[tuple[str, str], ...]] = {
    "check": (
        ("{method,backbone,protocol,dataset} name", "KIND ..."),
        (
            "  {method,backbone,protocol,dataset}\n  name\n",
            "  KIND\n  method the contract of a method, trained for a few steps\n"
            "  backbone the contract of a backbone\n  protocol the contract of a protocol\n"
            "  dataset the contract of a benchmark and of its prepared data\n",
        ),
    ),
    "data": (("docs/your-own-data.md", "docs/guide/your-own-data.md"),),
    "show": (
        ("{method,backbone,benchmark,protocol}", "{method,backbone,benchmark,protocol,preset,suite,encoder}"),
        ("] name", "] NAME [NAME ...]"),
        ("  name ", "  NAME "),
        (
            "Show a plugin: what it is, where it comes from, its version, and its options with their defaults.",
            "Show a plugin, preset, suite or exported encoder: what it is, where it comes from, its options and their"
            " meaning.",
        ),
        (
            "a method, backbone, benchmark or protocol",
            "a method, backbone, benchmark, protocol, preset, suite or exported encoder, or the options clip, train or"
            " engine; its kind may stand before it",
        ),
    ),
    "sslskel": (
        ("  leaderboard  make", "  push         put an exported encoder on a model hub\n  leaderboard  make"),
        ("clips to an .npz file", "clips to an .npz or .parquet file"),
        (
            "judge a checkpoint, or a released .pth file, under a protocol",
            "evaluate a checkpoint, a released .pth file or any torch module",
        ),
        (
            "  data         prepare,",
            "  errata       show where released code and its paper part\n  data         prepare,",
        ),
        (
            "measure samples/s, step time and peak memory\n",
            "measure samples/s, step time and peak memory\n"
            "  completion   print the script that completes commands in bash, zsh or fish\n",
        ),
    ),
    "embed": (("to an .npz file", "to an .npz or .parquet file"), ("the .npz file", "the .npz or .parquet file")),
    "evaluate": (
        *RESULTS,
        ("[--seed SEED]", "[--preset PRESET] [--seed SEED]"),
        (
            "  --seed SEED ",
            "  --preset PRESET sizes and schedules for --encoder (default: the benchmark's own)\n  --seed SEED ",
        ),
        (
            "[-h] --checkpoint CHECKPOINT [--protocol",
            "[-h] (--checkpoint CHECKPOINT | --encoder PACKAGE.MODULE:CALLABLE) [--seen SEEN] [--protocol",
        ),
        (
            "a checkpoint directory, or a released .pth file, under a protocol,",
            "a checkpoint directory, a released .pth file or any torch module under a protocol,",
        ),
        (
            "--checkpoint CHECKPOINT\n",
            "--checkpoint CHECKPOINT\n--encoder PACKAGE.MODULE:CALLABLE a callable that returns a module mapping clips"
            " (N, C, T, V, M) to features (N, D)\n"
            "--seen SEEN what a module was pretrained on: NAME/SPLIT, a comma list, or none\n",
        ),
    ),
    "new": (
        ("[-h] {method,protocol} name", "[-h] KIND ..."),
        ("of a method or a protocol, and", "of a method, backbone or protocol, and"),
        (
            "  {method,protocol}\n  name               small letters, digits and _, for instance my_idea\n",
            "  KIND\n  method a pretext method that trains as it is\n  backbone a backbone that works as it is\n"
            "  protocol a protocol that works as it is\n",
        ),
    ),
    "bench": (
        *RESULTS,
        (
            "[--max-restarts MAX_RESTARTS]\n",
            "[--max-restarts MAX_RESTARTS] [--details] [--intervals] [--cfg] [--suite NAME]\n",
        ),
        (
            "how often a run that lost a rank starts again\n",
            f"how often a run that lost a rank starts again\n{DETAILS}{INTERVALS}  --cfg print every option with its"
            " value and what set it, and run nothing\n  --suite NAME what a suite asks for (`sslskel list suites`);"
            " --benchmark, --protocol and --seeds choose a part of it\n",
        ),
    ),
    "sweep": (
        *RESULTS,
        ("[--trials TRIALS]", "[--details] [--intervals] [--trials TRIALS]"),
        ("  --trials TRIALS ", f"{DETAILS}{INTERVALS}  --trials TRIALS "),
    ),
    "list": (
        ("[--check] [--table] [{methods,backbones,benchmarks,protocols,presets}]", "[--check] [KIND] ..."),
        (
            "  {methods,backbones,benchmarks,protocols,presets}\n"
            "                        what to list (default: everything)\n",
            "  [KIND] what to list (default: everything)\n  methods pretext methods\n"
            "  backbones networks that methods train\n  benchmarks datasets with their official splits\n"
            "  protocols ways to evaluate an encoder\n  presets named sizes and schedules\n"
            "  suites fixed sets of benchmarks, protocols and seeds\n"
            "  encoders exported encoders below sslskel_plugins/encoders\n",
        ),
        (
            "  --table               methods alone: a Markdown table with paper, family, backbone, lines of\n"
            "                        code\n",
            "",
        ),
    ),
    "data-import": (
        ("docs/your-own-data.md", "docs/guide/your-own-data.md"),
        (
            "[--clips TABLE] [--pyskl FILE]",
            "[--clips TABLE [TABLE ...]] [--pyskl FILE [FILE ...]]",
        ),
        (
            "--clips TABLE         CSV table",
            "--clips TABLE [TABLE ...] CSV table",
        ),
        (
            "split:NAME; files are .npy,\n                        .npz, .csv, .json or .bvh",
            "split:NAME; or the files of a whole set (.npz, label .pkl, label .json)",
        ),
        (
            "--pyskl FILE          a pickle in pyskl's form, instead",
            "--pyskl FILE [FILE ...] pickles in pyskl's form, instead",
        ),
        (
            "layout file (YAML), or coco17 or ntu25; BVH files bring their own",
            "layout file (YAML), or a known body (coco17, ntu25, body_25 ...); BVH files bring their own; keys of the"
            " file may follow as KEY=VALUE",
        ),
    ),
    "reproduce": (
        *RESULTS,
        ("[--write WRITE]", "[--output OUTPUT]"),
        ("--write WRITE", "--output OUTPUT"),
        ("[-h] [--benchmark", "[-h] [--method METHOD] [--benchmark"),
        ("[--output OUTPUT]", "[--dry-run] [--output OUTPUT]"),
        (
            "list the tables.\n",
            "list the tables. ``recipes`` is no table: it evaluates the same encoders by the recipe of their own paper"
            " and by those that all share.\n",
        ),
        (
            "  --benchmark BENCHMARK\n",
            "  --method METHOD of recipes: method or comma list; the rows of a table name their own\n"
            "  --benchmark BENCHMARK\n",
        ),
        (
            "  --output OUTPUT",
            "  --dry-run list the cells with estimated hours and disk\n  --output OUTPUT",
        ),
        ("[--device DEVICE]", "[--mode MODE] [--device DEVICE]"),
        (
            "  --device DEVICE ",
            "  --mode MODE exact (all bodies, fp32), present (persons that are there, fp32; the default) or fast"
            " (present, bf16)\n  --device DEVICE ",
        ),
    ),
    "doctor": RESULTS,
    "runs": (
        ("[--output OUTPUT] [--yes] {list,prune}", "ACTION ..."),
        ("or remove those that no record needs", "or remove those that nothing needs"),
        (
            "  {list,prune}\n",
            "  ACTION\n  list list pretraining runs with their size and state\n"
            "  prune remove runs that nothing needs\n",
        ),
        (
            "  --output OUTPUT  results folder (default: runs)\n"
            "  --yes            really remove; without it prune only says what it would\n",
            "",
        ),
    ),
    "export": (("below OUTPUT/pretrain", "below RESULTS/pretrain"),),
    "pretrain": (
        *RESULTS,
        (
            "Pretrain one method on one benchmark and keep",
            "Pretrain one method on one benchmark, or on a suite, and keep",
        ),
        ("[--benchmark BENCHMARK]", "[--benchmark BENCHMARK] [--pretrain-on suite:NAME]"),
        (
            "  --benchmark BENCHMARK\n",
            "  --benchmark BENCHMARK benchmark, NAME or NAME/SPLIT (default: synthetic)\n"
            "  --pretrain-on suite:NAME pretrain on all datasets of a suite instead of one benchmark\n",
        ),
    ),
    "compare": (
        ("over the same clips and seeds, and say whether", "over the same pretrainings and clips, and say if"),
        ("[--format {table,json}]", "[--clusters {subjects}] [--format {table,json}]"),
        (
            "--format {table,json}\n",
            "--clusters {subjects} what varies besides pretrainings (default: the test clips)\n--format {table,json}\n",
        ),
    ),
    "leaderboard": (
        ("[{merge}]", "[ACTION] ..."),
        (
            "  {merge}               merge DIR...: join results folders into the one of --results\n",
            "  [ACTION]\n  merge join results folders into the one of --results\n",
        ),
        ("[--format FORMAT]", "[--suite NAME] [--format FORMAT]"),
        (
            "  --format FORMAT  ",
            "  --suite NAME the board of a suite (`sslskel list suites`)\n  --format FORMAT  ",
        ),
        (
            "[--no-published]",
            "[--intervals [{pretrainings,clips}]] [--details] [--ladder] [--features FILE,...] [--no-published]",
        ),
        (
            "  --no-published  ",
            "  --intervals [{pretrainings,clips}] show intervals behind the scores: over pretrainings on these test"
            f" clips (default), or over test clips too\n{DETAILS}  --ladder cost of every method beside"
            " its scores under the first protocol\n  --features FILE,... files of `sslskel embed` that an HTML board"
            " draws in two dimensions (comma list)\n  --no-published  ",
        ),
        ("or html (default: table)", "or html (default: as --output ends, else table)"),
        ("file to write (default: print)", "file to write: .txt, .md, .csv, .json, .tex or .html (default: print)"),
    ),
}
"""Where ``--help`` of a command was changed on purpose: what it said, and what it says."""
REWORDED = (
    ("fp32, bf16, fp16 or fp64", "fp32, tf32, bf16, fp16 or fp64"),
    ("pretrain on this benchmark and judge", "pretrain on this benchmark, or on a suite (suite:NAME), and judge"),
    ("benchmark or comma list", "benchmark, NAME or NAME/SPLIT, or comma list"),
    ("; the main job", ": the main command"),
    ("comma list, for instance mamp,random_init", "comma list (`sslskel list methods` shows them)"),
    ("for instance mamp-table7", "name of the table, or recipes (default: list them)"),
    ("against gru_stepped", "against a backbone that steps from frame to frame"),
    ("--method mamp --protocol linear", "--method METHOD (`sslskel list methods` shows the methods)"),
    ("a card for somebody else", "a card to share"),
    ("a folder for somebody else", "a folder to share"),
    ("say whether two rows of a board", "test whether two rows of a board"),
    ("print it beside the published one", "print it next to the published one"),
    ("show what this installation runs on, and try it", "show what this installation runs on, and test it"),
    (
        "Show what this installation runs on and try it for some ten seconds; a table to paste into a bug report.",
        "Show versions, devices, memory, disk and plugins, and test them for ten seconds; paste the table into bug"
        " reports.",
    ),
    ("only look; skip", "skip"),
    ("Prepare or import a dataset, say what is in it,", "Prepare or import a dataset, describe it,"),
    ("make a benchmark of recordings of your own", "make a benchmark of your own recordings"),
    ("say what is in a prepared dataset", "describe a prepared dataset"),
    ("describe a prepared dataset as Markdown", "write the card of a prepared dataset (Markdown)"),
    ("what the benchmark shall be called", "name of the new benchmark"),
    ("and perhaps name,", "and optionally name,"),
    ("where the table's files are (default: beside it)", "folder of the table's files (default: the table's own)"),
    ("splits, where the clips state none:", "splits, if the clips do not state any:"),
    ("its values that train", "its values that are in the training part"),
    ("training subjects that may be held out", "training subjects of the validation part"),
    ("end at the first clip", "stop at the first clip"),
    ("import side by side", "import in parallel"),
    (
        ".png: a sheet of stills, .gif: moving, .html: plays and turns",
        ".png: a sheet of frames, .gif: an animation, .html: an interactive page",
    ),
    (
        "x, y, z, or --up=-y: upwards in the data (default: found in them)",
        "up axis of the data: x, y, z, or --up=-y (default: detected)",
    ),
    ("they were judged", "they were evaluated"),
    ("all, judged on", "all, evaluated on"),
    ("and judge on --benchmark", "and evaluate on --benchmark"),
    ("Judge a checkpoint directory", "Evaluate a checkpoint directory"),
    ("leave out what others printed", "leave out published numbers"),
    (
        "pretrainings side by side, each a process (default: one, in this one)",
        "pretrainings to run at once, each in its own process (default: one, in this process)",
    ),
    ("ranks that train one model", "processes that train one model"),
    ("how often a run that lost a rank starts again", "how many times a run that lost a process restarts"),
    (
        "Run a table of a paper here and print what was measured beside what was printed;",
        "Run a paper's table and print the measured numbers next to the published ones;",
    ),
    ("are told apart by the options", "are labelled with the options"),
    ("another search of the same space", "seed of the search"),
    ("[--init INIT]", "[--init CHECKPOINT[:PART]]"),
    (
        "--init INIT checkpoint whose weights pretraining starts from",
        "--init CHECKPOINT[:PART] checkpoint whose weights pretraining starts from, for all seeds, or per seed: a"
        " folder of one run of each seed, or a path with {seed} in it; :PART takes a part (encoder, a module's name, or"
        " THEIRS=OURS)",
    ),
)
"""The same for all commands."""
