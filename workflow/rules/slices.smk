# Which part of config.yaml each stage reads: its `--config`, and what makes it run again. No rules.


def root(wildcards):
    """Folder of a dataset's images."""
    return CONFIG.datasets[wildcards.dataset].root


def draw_slice(wildcards):
    return slice_of(**dict(CONFIG.datasets[wildcards.dataset].synthetic))


def manifest_slice(wildcards):
    return slice_of(name=wildcards.dataset, dataset=ImageFolder.of(CONFIG.datasets[wildcards.dataset]))


def protocol_slice(wildcards):
    allow = CONFIG.datasets[wildcards.dataset].allow
    return slice_of(name=wildcards.dataset, allow=allow, unreadable=CONFIG.labels.unreadable)


def check_slice(wildcards, input):
    """The same, but Snakemake compares no params that could depend on `input`: what was accepted stays so."""
    return protocol_slice(wildcards)


def train_pifpaf_slice(wildcards):
    network = CONFIG.pifpaf[wildcards.pifpaf]
    return slice_of(training=network.training, size=network.size)


def fields_slice(wildcards):
    network = CONFIG.pifpaf[CONFIG.datasets[wildcards.dataset].pifpaf]
    labels = CONFIG.labels
    return slice_of(
        root=root(wildcards),
        pifpaf=Checkpoint.of(network),
        batch_size=labels.batch_size,
        precision=labels.precision,
        silhouettes=labels.silhouettes,
    )


def labels_slice(wildcards):
    return slice_of(
        scheme=CONFIG.schemes[wildcards.scheme], scheme_name=wildcards.scheme, labels=PartLabels.of(CONFIG.labels)
    )


def gate_slice(wildcards, input):
    """Snakemake compares no params that could depend on `input`: what has passed stays so."""
    return slice_of(name=wildcards.dataset, gate=CONFIG.gate(wildcards.dataset))


def convert_slice(wildcards):
    source = CONFIG.datasets[wildcards.dataset].labels_from
    parser = CONFIG.parsers[source.parser] if source.kind == "part_png" else None
    how = {"interpolation": CONFIG.labels.interpolation} if source.kind == "confidence_npy" else {}
    return slice_of(root=root(wildcards), labels_from=source, parser=parser, **how)


def convert_parts_slice(wildcards):
    source = CONFIG.datasets[wildcards.dataset].labels_from
    return slice_of(
        scheme=CONFIG.schemes[wildcards.scheme],
        scheme_name=wildcards.scheme,
        labels=PartLabels.of(CONFIG.labels),
        labels_from=source,
        parser=CONFIG.parsers[source.parser],
    )


def quality_slice(wildcards):
    return slice_of(root=root(wildcards))


def backbone_slice(wildcards):
    return slice_of(name=wildcards.backbone, weights=CONFIG.backbones[wildcards.backbone])


def train_slice(wildcards):
    return slice_of(model=Model.of(CONFIG.model(wildcards.model)), root=root(wildcards), seed=int(wildcards.seed))


def embed_slice(wildcards):
    return slice_of(model=ModelInUse.of(CONFIG.model(wildcards.model)), root=root(wildcards))


def evaluate_slice(wildcards):
    return slice_of(matching=CONFIG.matchings[wildcards.matching], name=wildcards.matching)


def summarise_slice(wildcards):
    model, seeds = CONFIG.model(wildcards.model), CONFIG.datasets[wildcards.dataset].seeds
    reported = {"matching": model.matching, "also": model.also, "seeds": seeds, "recipe": model.recipe}
    return slice_of(**dict(wildcards.items()), **reported, batch_size=model.training.batch_size)


def rank_slice(wildcards):
    matching = CONFIG.matchings[CONFIG.model(wildcards.model).matching]
    return slice_of(root=root(wildcards), matching=matching, queries=CONFIG.pictures.queries)


def attention_slice(wildcards):
    return slice_of(root=root(wildcards), images=CONFIG.pictures.images)


def tabulate_slice(wildcards):
    table = CONFIG.tables[wildcards.table.removesuffix(SO_FAR)]
    return slice_of(table=table, missing=missing_for_table(wildcards))


def curves_slice(wildcards):
    return slice_of(**dict(wildcards.items()))


def sees_parts(model):
    """Whether the visibility of a model's parts means something: it learns attention, or takes it from labels."""
    model = CONFIG.model(model)
    return model.head.attention == "labels" or (model.head.attention != "stripes" and model.loss.attention_weight > 0)


def rows_to_run(wildcards):
    """The rows of a table that can be run here, one a dataset, with the seeds that they are the mean of."""
    table, rows = CONFIG.tables[wildcards.table], []
    for dataset, row in ((dataset, row) for row in table.rows for dataset in datasets_of(row)):
        if not missing_for(dataset, row["model"]):
            seeds = [seed for seed in CONFIG.datasets[dataset].seeds if seed in (table.seeds or [seed])]
            kept = {key: row[key] for key in ("label", "model", "matching")}
            rows.append({**kept, "dataset": dataset, "seeds": seeds, "sees_parts": sees_parts(row["model"])})
    return rows


def compare_slice(wildcards):
    return slice_of(title=CONFIG.tables[wildcards.table].title, rows=rows_to_run(wildcards))


def account_slice(wildcards):
    models = {}
    for dataset, model in cells_to_run(wildcards):
        models.setdefault(dataset, []).append(model)
    return slice_of(title=CONFIG.tables[wildcards.table].title, models=models)
