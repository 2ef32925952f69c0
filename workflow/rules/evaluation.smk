rule embed_images:
    input:
        unpack(images_of),
        encoder=PATHS.encoder,
    output:
        embeddings=PATHS.embeddings,
    log:
        fill(PATHS.run_log, step="embed_images"),
    conda:
        ENVIRONMENT
    threads: PARAMS.runtime.threads
    resources:
        gpu=GPUS,
        mem_mb=more_each_attempt(4000),
        runtime=more_each_attempt(60),
    params:
        cfg=lambda wc: settings("embed_images", wc),
    shell:
        "csdn embed-images --params {params.cfg:q} --index {input.index:q} --cache {input.cache:q} "
        "--encoder {input.encoder:q} --output {output.embeddings:q} > {log:q} 2>&1"


rule explain_model:
    input:
        unpack(images_of),
        clip=lambda wc: clip_of(wc, wc.variant),
        encoder=PATHS.encoder,
        semantics=semantics_of,
    output:
        explanations=PATHS.explanations,
    log:
        fill(PATHS.run_log, step="explain_model"),
    conda:
        ENVIRONMENT
    threads: PARAMS.runtime.threads
    resources:
        gpu=GPUS,
        mem_mb=more_each_attempt(4000),
        runtime=more_each_attempt(60),
    params:
        cfg=lambda wc: settings("explain_model", wc),
        clip=lambda wc, input: option_with("--clip", input.get("clip")),
        semantics=lambda wc, input: option_with("--semantics", input.get("semantics")),
    shell:
        "csdn explain-model --params {params.cfg:q} --index {input.index:q} --cache {input.cache:q} {params.clip:q} "
        "{params.semantics:q} --encoder {input.encoder:q} --output {output.explanations:q} > {log:q} 2>&1"


rule score_retrieval:
    input:
        index=lambda wc: images_of(wc)["index"],
        embeddings=PATHS.embeddings,
        drawn=drawn_galleries,
    output:
        scores=PATHS.scores,
        queries=PATHS.query_scores,
    log:
        fill(PATHS.scores_log, step="score_retrieval"),
    conda:
        ENVIRONMENT
    resources:
        gpu=0,
        mem_mb=more_each_attempt(2000),
        runtime=more_each_attempt(30),
    params:
        cfg=lambda wc: settings("score_retrieval", wc),
        permutations=lambda wc: option_with("--permutations", permutations_of(wc)),
    shell:
        "csdn score-retrieval --params {params.cfg:q} --index {input.index:q} --embeddings {input.embeddings:q} "
        "{params.permutations:q} --output {output.scores:q} > {log:q} 2>&1"
