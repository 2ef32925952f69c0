rule make_dataset:
    output:
        annotations=PATHS.annotations,
        provenance=PATHS.annotations_record,
    log:
        fill(PATHS.dataset_log, step="make_dataset"),
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


use rule make_dataset as make_dataset_for_clip with:
    output:
        annotations=PATHS.pretraining_annotations,
        images=PATHS.pretraining_images,
    log:
        fill(PATHS.dataset_log, step="make_dataset", dataset=PRETRAINING),
    priority: 10  # all training waits for it
    params:
        cfg=settings("make_dataset", dataset=PRETRAINING),
        dataset=PRETRAINING,


# One rule for each dataset, because the size of its images is part of the cache's name.
for name in PARAMS.datasets:

    rule:
        name:
            f"index_images_{name}"
        input:
            lambda wc, dataset=name: inputs_of_index(dataset),
        output:
            **files.image_files(PARAMS, name),
        log:
            fill(PATHS.dataset_log, step="index_images", dataset=name),
        conda:
            ENVIRONMENT
        resources:
            gpu=0,
            mem_mb=more_each_attempt(2000),
            runtime=more_each_attempt(120),
        params:
            cfg=settings("index_images", dataset=name),
            dataset=name,
            root=["--root", image_folder(PARAMS, name)],
        shell:
            "csdn index-images --params {params.cfg:q} --dataset {params.dataset:q} {params.root:q} "
            "--index {output.index:q} --cache {output.cache:q} > {log:q} 2>&1"
