rule make_dataset:
    output:
        annotations=PATHS.annotations,
        provenance=PATHS.annotations_record,
    log:
        fill(PATHS.images_log, step="make_dataset", image_set="{dataset}"),
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        gpu=0,
        mem_mb=more_each_attempt(1000),
        runtime=more_each_attempt(60),
    params:
        cfg=lambda wc: settings("make_dataset", wc),
        dataset="{dataset}",
    shell:
        "csdn make-dataset --params {params.cfg:q} --dataset {params.dataset:q} --workers {threads} "
        "--output {output.annotations:q} > {log:q} 2>&1"


# A draw has people and cameras of its own, so that nothing but what belongs to it depends on it.
use rule make_dataset as make_dataset_of_draw with:
    output:
        annotations=PATHS.draw_annotations,
        provenance=PATHS.draw_annotations_record,
    log:
        fill(PATHS.images_log, step="make_dataset", image_set=DRAW_SET),
    params:
        cfg=lambda wc: settings("make_dataset", wc),
        dataset=["{dataset}", "--split", "{split}"],


use rule make_dataset as make_dataset_for_clip with:
    output:
        annotations=PATHS.pretraining_annotations,
        images=PATHS.pretraining_images,
    log:
        fill(PATHS.images_log, step="make_dataset", image_set=PRETRAINING),
    priority: 10  # all training waits for it
    params:
        cfg=lambda wc: settings("make_dataset", wc, dataset=PRETRAINING),
        dataset=PRETRAINING,


use rule make_dataset_for_clip as make_dataset_for_clip_of_draw with:
    output:
        annotations=PATHS.draw_pretraining_annotations,
        images=PATHS.draw_pretraining_images,
    log:
        fill(PATHS.images_log, step="make_dataset", image_set=fill(DRAW_SET, dataset=PRETRAINING)),
    params:
        cfg=lambda wc: settings("make_dataset", wc, dataset=PRETRAINING),
        dataset=[PRETRAINING, "--split", "{split}"],


# One rule for each set of images, because their size is part of the cache's name.
for name, (dataset, split) in files.image_sets(PARAMS).items():

    rule:
        name:
            f"index_images_{name}"
        input:
            lambda wc, dataset=dataset, split=split: inputs_of_index(dataset, split),
        output:
            **files.image_files(PARAMS, dataset, split),
        log:
            fill(PATHS.images_log, step="index_images", image_set=name),
        conda:
            ENVIRONMENT
        resources:
            gpu=0,
            mem_mb=more_each_attempt(2000),
            runtime=more_each_attempt(120),
        params:
            cfg=settings("index_images", dataset=dataset, split=split),
            dataset=dataset if name == dataset else [dataset, "--split", split],
            root=["--root", image_folder(PARAMS, dataset, split)],
        shell:
            "csdn index-images --params {params.cfg:q} --dataset {params.dataset:q} {params.root:q} "
            "--index {output.index:q} --cache {output.cache:q} > {log:q} 2>&1"
