rule embed_images:
    input:
        unpack(images_of),
        encoder=f"{RUN}/encoder.safetensors",
    output:
        embeddings=f"{RUN}/embeddings.safetensors",
    log:
        f"{LOGS}/embed_images/{{dataset}}/{{split}}/{{variant}}/seed_{{seed}}.log",
    conda:
        ENVIRONMENT
    threads: PARAMS.runtime.threads
    resources:
        gpu=GPUS,
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        cfg=lambda wc: settings("embed_images", wc),
    shell:
        "csdn embed-images --params {params.cfg:q} --index {input.index:q} --cache {input.cache:q} "
        "--encoder {input.encoder:q} --output {output.embeddings:q} > {log:q} 2>&1"


rule explain_model:
    input:
        unpack(images_of),
        clip=lambda wc: clip_of(wc.variant),
        encoder=f"{RUN}/encoder.safetensors",
        semantics=semantics_of,
    output:
        explanations=f"{RUN}/explanations.safetensors",
    log:
        f"{LOGS}/explain_model/{{dataset}}/{{split}}/{{variant}}/seed_{{seed}}.log",
    conda:
        ENVIRONMENT
    threads: PARAMS.runtime.threads
    resources:
        gpu=GPUS,
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        cfg=lambda wc: settings("explain_model", wc),
        clip=lambda wc, input: option("--clip", input.get("clip")),
        semantics=lambda wc, input: option("--semantics", input.get("semantics")),
    shell:
        "csdn explain-model --params {params.cfg:q} --index {input.index:q} --cache {input.cache:q} {params.clip:q} "
        "{params.semantics:q} --encoder {input.encoder:q} --output {output.explanations:q} > {log:q} 2>&1"


rule score_retrieval:
    input:
        index=f"{DATA}/index/{{dataset}}.parquet",
        embeddings=f"{RUN}/embeddings.safetensors",
        drawn=drawn_galleries,
    output:
        scores=f"{RUN}/scores/{{protocol}}.json",
        queries=f"{RUN}/scores/{{protocol}}.parquet",
    log:
        f"{LOGS}/score_retrieval/{{dataset}}/{{split}}/{{variant}}/seed_{{seed}}/{{protocol}}.log",
    conda:
        ENVIRONMENT
    resources:
        gpu=0,
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        cfg=lambda wc: settings("score_retrieval", wc),
        permutations=lambda wc: option("--permutations", permutations_of(wc)),
    shell:
        "csdn score-retrieval --params {params.cfg:q} --index {input.index:q} --embeddings {input.embeddings:q} "
        "{params.permutations:q} --output {output.scores:q} > {log:q} 2>&1"
