rule make_dataset:
    output:
        annotations=f"{DATA}/raw/{{dataset}}/annotations.parquet",
        provenance=f"{DATA}/raw/{{dataset}}/annotations.parquet.provenance.json",
    log:
        f"{LOGS}/make_dataset/{{dataset}}.log",
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        gpu=0,
        mem_mb=growing(1000),
        runtime=growing(60),
    params:
        cfg=lambda wc: settings("make_dataset", wc),
        dataset="{dataset}",
    shell:
        "csdn make-dataset --params {params.cfg:q} --dataset {params.dataset:q} --workers {threads} "
        "--output {output.annotations:q} > {log:q} 2>&1"


use rule make_dataset as make_dataset_for_clip with:
    output:
        annotations=f"{DATA}/{PRETRAINING}/annotations.parquet",
        images=f"{DATA}/{PRETRAINING}/images.npy",
    log:
        f"{LOGS}/make_dataset/{PRETRAINING}.log",
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
            rendered(name),
        output:
            index=f"{DATA}/index/{name}.parquet",
            cache=cache_of(name),
        log:
            f"{LOGS}/index_images/{name}.log",
        conda:
            ENVIRONMENT
        resources:
            gpu=0,
            mem_mb=growing(2000),
            runtime=growing(120),
        params:
            cfg=settings("index_images", dataset=name),
            dataset=name,
            root=option("--root", [root_of(name)]),
        shell:
            "csdn index-images --params {params.cfg:q} --dataset {params.dataset:q} {params.root:q} "
            "--index {output.index:q} --cache {output.cache:q} > {log:q} 2>&1"
