# Which files a job reads, where their names do not follow from the output's alone: input functions, no rules.


def drawn_index(wildcards):
    """The list of drawn images; nothing for a dataset of the user's, whose folder must be there."""
    name, dataset = wildcards.dataset, CONFIG.datasets[wildcards.dataset]
    if dataset.synthetic:
        return f"results/{name}/source/index.csv"
    advice = f"put the dataset there, or change datasets.{name}.root (docs/datasets.md says where it comes from)"
    present(dataset.root, advice)
    return []


def listed_table(wildcards):
    """The table of a dataset of the user's that has one: an edit of it counts, even if its size stays the same."""
    file = CONFIG.datasets[wildcards.dataset].options.file
    advice = f"put the table there, or change datasets.{wildcards.dataset}.options.file"
    return present(file, advice) if file else []


def images_found(wildcards):
    """Digest of the listing of a user's dataset, so that added, removed and exchanged images are noticed."""
    dataset = CONFIG.datasets[wildcards.dataset]
    return "drawn" if dataset.synthetic else listing_digest(dataset.root)


def drawn_truth(wildcards):
    """The ground truth of a drawn dataset; nothing for others."""
    return f"results/{wildcards.dataset}/source/truth.h5" if CONFIG.datasets[wildcards.dataset].synthetic else []


def drawn_for_pifpaf(key, file):
    """Input function: a file of the drawn dataset that `key` of the pifpaf entry names."""
    return lambda wildcards: f"results/{getattr(CONFIG.pifpaf[wildcards.pifpaf], key)}/source/{file}"


def pifpaf_weights(wildcards):
    """The PifPaf weights of a dataset: a shipped file, a user's, or one that rule train_pifpaf makes."""
    name = CONFIG.datasets[wildcards.dataset].pifpaf
    network = CONFIG.pifpaf[name]
    source = network.source or Path(network.weights).name
    return present(network.weights, f"download {source} and put it there, or change pifpaf.{name}.weights")


def mask_weights(wildcards):
    """The weights of Mask R-CNN, where labels are made with silhouettes."""
    network = CONFIG.labels.silhouettes
    advice = lambda: f"download {network.source} and put it there, or change labels.silhouettes"
    return present(network.weights, advice()) if network else []


def named_targets(wildcards):
    """The table of targets that a person named, of a dataset that has one."""
    file = CONFIG.datasets[wildcards.dataset].target_overrides
    return (
        present(file, f"put the table there, or change datasets.{wildcards.dataset}.target_overrides") if file else []
    )


def files_converted(wildcards):
    """Single files that hold the labels of a dataset; nothing where its labels lie in a folder, which must be there."""
    name, source = wildcards.dataset, CONFIG.datasets[wildcards.dataset].labels_from
    present(source.path, f"put the labels there, or change datasets.{name}.labels_from.path")
    if source.kind != "coco_json":
        return []
    files = [] if source.file else [source.path]
    return files + ([present(source.images, f"change datasets.{name}.labels_from.images")] if source.images else [])


def folder_converted(wildcards):
    """Digest of the listing of a folder of labels, so that added, removed and exchanged files are noticed."""
    source = CONFIG.datasets[wildcards.dataset].labels_from
    return listing_digest(source.path) if source.file else "one file"


def backbone_weights(wildcards):
    """The file of weights that a model's backbone starts from, if it is one."""
    weights = CONFIG.model(wildcards.model).backbone.weights
    if weights in (None, "imagenet"):
        return []
    return present(weights, f"put the backbone's weights there, or change models.{wildcards.model}.backbone.weights")


def trained_on(dataset):
    """The dataset whose training half serves `dataset`: itself, unless it has none."""
    return CONFIG.datasets[dataset].trains_on or dataset


def known_labels(wildcards):
    """The dataset's labels in the part scheme that the model knows."""
    return f"results/{wildcards.dataset}/parsing/{CONFIG.scheme_of(wildcards.model, wildcards.dataset)}.h5"


def training_labels(wildcards):
    """The labels that a model learns from; a model of stripes has none."""
    return [] if CONFIG.model(wildcards.model).head.attention == "stripes" else known_labels(wildcards)


def passed_labels(wildcards):
    """The leave to train on these labels."""
    return [labels.replace(".h5", ".passed.txt") for labels in [training_labels(wildcards)] if labels]


def attended_labels(wildcards):
    """The labels of query and gallery, for a model whose attention they are (Table 2)."""
    return known_labels(wildcards) if CONFIG.model(wildcards.model).head.attention == "labels" else []


def trained_model(wildcards):
    return f"results/{trained_on(wildcards.dataset)}/{wildcards.model}/seed{wildcards.seed}/model.safetensors"


def first_embeddings(wildcards):
    """Embeddings of the dataset's first seed, which the pictures show."""
    seed = CONFIG.datasets[wildcards.dataset].seeds[0]
    return f"results/{wildcards.dataset}/{wildcards.model}/seed{seed}/embeddings.h5"


def metrics_of_seeds(wildcards):
    return metrics_of(wildcards.dataset, wildcards.model)


def metrics_of(dataset, model):
    """Metrics of every seed of the dataset under every matching of the model."""
    return expand(
        f"results/{dataset}/{model}/seed{{seed}}/{{matching}}.json",
        seed=CONFIG.datasets[dataset].seeds,
        matching=dict.fromkeys([CONFIG.model(model).matching, *CONFIG.model(model).also]),
    )


def cells_of(wildcards):
    """Dataset and model of each number of a table, once."""
    rows = CONFIG.tables[wildcards.table.removesuffix(SO_FAR)].rows
    return dict.fromkeys((dataset, row["model"]) for row in rows for dataset in datasets_of(row))


def missing_for(dataset, model):
    """Files that a model on a dataset needs from the user, and that are not there."""
    head, weights = CONFIG.model(model).head, CONFIG.model(model).backbone.weights
    wanted = [CONFIG.datasets[name].root for name in (dataset, trained_on(dataset))]
    if head.attention != "stripes":
        labelled = (dataset, trained_on(dataset)) if head.attention == "labels" else (trained_on(dataset),)
        wanted += [CONFIG.pifpaf[CONFIG.datasets[name].pifpaf].weights for name in labelled]
    wanted += [] if weights in (None, "imagenet") else [weights]
    return [path for path in dict.fromkeys(wanted) if not at_hand(path)]


def cells_to_run(wildcards):
    """Dataset and model of the numbers of a table that can be run here."""
    return [cell for cell in cells_of(wildcards) if not missing_for(*cell)]


def missing_for_table(wildcards):
    """Files for want of which cells of a table are not run."""
    if wildcards.table.endswith(SO_FAR):
        return []
    return list(dict.fromkeys(path for cell in cells_of(wildcards) for path in missing_for(*cell)))


def metrics_of_rows(wildcards):
    """Metrics behind a table, of all that can be run here; of nothing, if the table of what was run is asked for."""
    run = [] if wildcards.table.endswith(SO_FAR) else cells_to_run(wildcards)
    return [f"results/{dataset}/{model}/metrics.json" for dataset, model in run]


def metrics_found(wildcards):
    """Metrics of the other cells of a table that are there: from an earlier run, or from elsewhere."""
    cells = (f"results/{dataset}/{model}/metrics.json" for dataset, model in cells_of(wildcards))
    return [path for path in cells if path not in metrics_of_rows(wildcards) and Path(path).exists()]


def histories_of_seeds(wildcards):
    """Losses by epoch of every seed of the dataset."""
    seeds = CONFIG.datasets[wildcards.dataset].seeds
    return expand("results/{dataset}/{model}/seed{seed}/history.csv", **dict(wildcards.items()), seed=seeds)


def metrics_of_row_seeds(wildcards):
    """Metrics of every number of a table that can be run here, seed by seed."""
    files = [
        f"results/{row['dataset']}/{row['model']}/seed{seed}/{row['matching'].partition('/')[0]}.json"
        for row in rows_to_run(wildcards)
        for seed in row["seeds"]
    ]
    return list(dict.fromkeys(files))


def made_for_table(wildcards):
    """All files behind what can be run here of a table, from manifests to pictures."""
    cells = cells_to_run(wildcards)
    files = [file for kind in (files_of_dataset, files_of_model) for cell in cells for file in kind(*cell)]
    return list(dict.fromkeys(files))


def files_of_dataset(dataset, model):
    """Lists of the images that a model learns from and is tested on, and the labels that it learns from."""
    source, scheme = trained_on(dataset), CONFIG.scheme_of(model, dataset)
    listed = [f"results/{name}/manifest.csv" for name in dict.fromkeys((source, dataset))]
    if CONFIG.model(model).head.attention == "stripes":
        return listed
    drawn = ["source/truth.h5"] if CONFIG.datasets[source].synthetic else []
    labels = (f"parsing/{name}" for name in ("fields.h5", f"{scheme}.h5", f"{scheme}.qc.json"))
    return [*listed, *(f"results/{source}/{name}" for name in (*drawn, *labels))]


def files_of_model(dataset, model):
    """A trained model with all that is measured of it on a dataset, and the pictures."""
    source, seeds = trained_on(dataset), CONFIG.datasets[dataset].seeds
    labelled = at_hand(CONFIG.pifpaf[CONFIG.datasets[dataset].pifpaf].weights)
    pictures = ["ranking.png", *(["attention.png"] if sees_parts(model) and labelled else [])]
    return [
        f"results/{source}/{model}/training.svg",
        *expand(f"results/{source}/{model}/seed{{seed}}/model.safetensors", seed=seeds),
        *expand(f"results/{dataset}/{model}/seed{{seed}}/embeddings.h5", seed=seeds),
        *metrics_of(dataset, model),
        *(f"results/{dataset}/{model}/{file}" for file in ("metrics.json", *pictures)),
    ]


def weights_for_table(wildcards):
    """The files of weights that labels and models of a table start from."""
    cells = cells_to_run(wildcards)
    networks = [CONFIG.pifpaf[CONFIG.datasets[trained_on(dataset)].pifpaf].weights for dataset, model in cells]
    backbones = [CONFIG.model(model).backbone.weights for dataset, model in cells]
    found = (file for file in (*networks, *backbones) if file not in (None, "imagenet") and at_hand(file))
    return list(dict.fromkeys(found))
