localrules:
    track_scores,


rule compare_variants:
    input:
        scores=all_scores(),
        queries=all_scores("parquet"),
    output:
        tables=[in_report(path) for path in all_tables()],
        metrics=f"{RESULTS}/tables/metrics.json",
    log:
        f"{LOGS}/compare_variants.log",
    conda:
        ENVIRONMENT
    resources:
        gpu=0,
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        cfg=settings("compare_variants"),
        scores=lambda wc, input: [word for path in input.scores for word in ("--scores", path)],
        folder=subpath(output[0], parent=True),
    shell:
        "csdn compare-variants --params {params.cfg:q} {params.scores:q} --output {params.folder:q} > {log:q} 2>&1"


rule compare_costs:
    input:
        [f"{DATA}/index/{dataset}.parquet" for dataset in PARAMS.datasets],
        all_histories(),
        metrics=f"{RESULTS}/tables/metrics.json",
    output:
        [in_report(path) for path in cost_tables()],
    log:
        f"{LOGS}/compare_costs.log",
    conda:
        ENVIRONMENT
    resources:
        gpu=0,
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        cfg=settings("compare_costs"),
        folder=subpath(output[0], parent=True),
    shell:
        "csdn compare-costs --params {params.cfg:q} --output {params.folder:q} > {log:q} 2>&1"


rule draw_figures:
    input:
        all_images(),
        small_clip(),
        all_histories(),
        for_all_runs(f"{RUN}/embeddings.safetensors"),
        explanations(),
        all_scores(),
        all_tables(),
    output:
        figures=report(
            directory(f"{RESULTS}/figures"),
            patterns=["{name}.svg"],
            caption="../report/figures.rst",
            category="Figures",
            labels={"figure": "{name}"},
        ),
        matches=f"{RESULTS}/curves/matches.csv",
        training=f"{RESULTS}/curves/training.csv",
        digests=f"{RESULTS}/figures.sha256",  # a folder can only be compared by its time, these by their content
    log:
        f"{LOGS}/draw_figures.log",
    conda:
        ENVIRONMENT
    resources:
        gpu=0,
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        cfg=settings("draw_figures"),
        curves=subpath(output.matches, parent=True),
    shell:
        "csdn draw-figures --params {params.cfg:q} --output {output.figures:q} --curves {params.curves:q} "
        "> {log:q} 2>&1; "
        "sha256sum {output.figures:q}/* > {output.digests:q} 2>> {log:q}"


rule write_report:
    input:
        small_clip(),
        all_scores(),
        all_tables(),
        cost_tables(),
        ancient(f"{RESULTS}/figures"),
        digests=f"{RESULTS}/figures.sha256",
    output:
        report=report(
            f"{RESULTS}/report.html",
            caption="../report/report.rst",
            category="Report",
            labels={"page": "everything on one page"},
        ),
    log:
        f"{LOGS}/write_report.log",
    conda:
        ENVIRONMENT
    resources:
        gpu=0,
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        cfg=settings("write_report"),
    shell:
        "csdn write-report --params {params.cfg:q} --output {output.report:q} > {log:q} 2>&1"


rule track_scores:
    input:
        ancient(f"{RESULTS}/figures"),
        scores=all_scores(),
        tables=all_tables() + cost_tables(),
        digests=f"{RESULTS}/figures.sha256",
        report=f"{RESULTS}/report.html",
    output:
        f"{RESULTS}/tracking.json",
    log:
        f"{LOGS}/track_scores.log",
    conda:
        ENVIRONMENT
    resources:
        gpu=0,
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        cfg=settings("track_scores"),
        scores=lambda wc, input: [word for path in input.scores for word in ("--scores", path)],
        artifacts=[
            word for name in ("tables", "figures", "report.html") for word in ("--artifact", f"{RESULTS}/{name}")
        ],
    shell:
        "csdn track-scores --params {params.cfg:q} {params.scores:q} {params.artifacts:q} --output {output:q} "
        "> {log:q} 2>&1"
