localrules:
    track_scores,


rule compare_variants:
    input:
        scores=files.score_files(PARAMS, PATHS.scores),
        queries=files.score_files(PARAMS, PATHS.query_scores),
    output:
        tables=[in_report(path) for path in files.table_files(PARAMS)],
        metrics=PATHS.metrics,
    log:
        fill(PATHS.log, step="compare_variants"),
    conda:
        ENVIRONMENT
    resources:
        gpu=0,
        mem_mb=more_each_attempt(2000),
        runtime=more_each_attempt(30),
    params:
        cfg=settings("compare_variants"),
        scores=scores_as_options,
        folder=subpath(output[0], parent=True),
    shell:
        "csdn compare-variants --params {params.cfg:q} {params.scores:q} --output {params.folder:q} > {log:q} 2>&1"


rule compare_costs:
    input:
        [index_path(PARAMS, name, files.shown_split(PARAMS, name)) for name in PARAMS.datasets],
        files.history_files(PARAMS),
        metrics=PATHS.metrics,
    output:
        [in_report(path) for path in files.cost_files(PARAMS)],
    log:
        fill(PATHS.log, step="compare_costs"),
    conda:
        ENVIRONMENT
    resources:
        gpu=0,
        mem_mb=more_each_attempt(2000),
        runtime=more_each_attempt(30),
    params:
        cfg=settings("compare_costs"),
        folder=subpath(output[0], parent=True),
    shell:
        "csdn compare-costs --params {params.cfg:q} --output {params.folder:q} > {log:q} 2>&1"


rule draw_figures:
    input:
        files.shown_image_files(PARAMS),
        files.small_clip_files(PARAMS),
        files.history_files(PARAMS),
        files.files_of_runs(PARAMS, PATHS.embeddings),
        files.explanation_files(PARAMS),
        files.score_files(PARAMS, PATHS.scores),
        files.table_files(PARAMS),
    output:
        figures=report(
            directory(PATHS.figures),
            patterns=["{name}.svg"],
            caption="../report/figures.rst",
            category="Figures",
            labels={"figure": "{name}"},
        ),
        matches=PATHS.matches,
        training=PATHS.training_curves,
        digests=PATHS.figure_digests,  # a folder can only be compared by its time, these by their content
    log:
        fill(PATHS.log, step="draw_figures"),
    conda:
        ENVIRONMENT
    resources:
        gpu=0,
        mem_mb=more_each_attempt(2000),
        runtime=more_each_attempt(30),
    params:
        cfg=settings("draw_figures"),
        curves=subpath(output.matches, parent=True),
    shell:
        "csdn draw-figures --params {params.cfg:q} --output {output.figures:q} --curves {params.curves:q} "
        "> {log:q} 2>&1; "
        "sha256sum {output.figures:q}/* > {output.digests:q} 2>> {log:q}"


rule write_report:
    input:
        files.small_clip_files(PARAMS),
        files.history_files(PARAMS),
        files.score_files(PARAMS, PATHS.scores),
        files.table_files(PARAMS),
        files.cost_files(PARAMS),
        ancient(PATHS.figures),
        digests=PATHS.figure_digests,
    output:
        report=report(
            PATHS.report,
            caption="../report/report.rst",
            category="Report",
            labels={"page": "everything on one page"},
        ),
    log:
        fill(PATHS.log, step="write_report"),
    conda:
        ENVIRONMENT
    resources:
        gpu=0,
        mem_mb=more_each_attempt(2000),
        runtime=more_each_attempt(30),
    params:
        cfg=settings("write_report"),
    shell:
        "csdn write-report --params {params.cfg:q} --output {output.report:q} > {log:q} 2>&1"


rule track_scores:
    input:
        ancient(PATHS.figures),
        scores=files.score_files(PARAMS, PATHS.scores),
        tables=files.table_files(PARAMS) + files.cost_files(PARAMS),
        digests=PATHS.figure_digests,
        report=PATHS.report,
    output:
        PATHS.tracking,
    log:
        fill(PATHS.log, step="track_scores"),
    conda:
        ENVIRONMENT
    resources:
        gpu=0,
        mem_mb=more_each_attempt(1000),
        runtime=more_each_attempt(10),
    params:
        cfg=settings("track_scores"),
        scores=scores_as_options,
        artifacts=[word for path in (PATHS.tables, PATHS.figures, PATHS.report) for word in ("--artifact", path)],
    shell:
        "csdn track-scores --params {params.cfg:q} {params.scores:q} {params.artifacts:q} --output {output:q} "
        "> {log:q} 2>&1"
