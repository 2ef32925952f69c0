localrules:
    list_encoders,


rule learn_prompts:
    input:
        unpack(images_of),
        clip=lambda wc: clip_of(PROMPT_KEYS[wc.prompt_key]),
        captions=captions_of,
    output:
        prompts=f"{PROMPTS}/prompts.safetensors",
        history=f"{PROMPTS}/history.csv",
    log:
        f"{LOGS}/learn_prompts/{{dataset}}/{{split}}/{{prompt_key}}/seed_{{seed}}.log",
    conda:
        ENVIRONMENT
    threads: PARAMS.runtime.threads
    resources:
        gpu=GPUS,
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        cfg=lambda wc: settings("learn_prompts", wc, variant=PROMPT_KEYS[wc.prompt_key]),
        clip=lambda wc, input: option("--clip", input.get("clip")),
        captions=lambda wc, input: option("--captions", input.get("captions")),
    shell:
        "csdn learn-prompts --params {params.cfg:q} --index {input.index:q} --cache {input.cache:q} {params.clip:q} "
        "{params.captions:q} --output {output.prompts:q} > {log:q} 2>&1"


rule fuse_semantics:
    input:
        unpack(images_of),
        clip=lambda wc: clip_of(SEMANTICS_KEYS[wc.semantics_key]),
        prompts=lambda wc: f"{PROMPTS}/prompts.safetensors".format(
            prompt_key=prompt_key(PARAMS, SEMANTICS_KEYS[wc.semantics_key]), **wc
        ),
    output:
        semantics=f"{SEMANTICS}/semantics.safetensors",
        history=f"{SEMANTICS}/history.csv",
    log:
        f"{LOGS}/fuse_semantics/{{dataset}}/{{split}}/{{semantics_key}}/seed_{{seed}}.log",
    conda:
        ENVIRONMENT
    threads: PARAMS.runtime.threads
    resources:
        gpu=GPUS,
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        cfg=lambda wc: settings("fuse_semantics", wc, variant=SEMANTICS_KEYS[wc.semantics_key]),
        clip=lambda wc, input: option("--clip", input.get("clip")),
    shell:
        "csdn fuse-semantics --params {params.cfg:q} --index {input.index:q} --cache {input.cache:q} {params.clip:q} "
        "--prompts {input.prompts:q} --output {output.semantics:q} > {log:q} 2>&1"


rule train_encoder:
    input:
        unpack(images_of),
        clip=lambda wc: clip_of(wc.variant),
        semantics=semantics_of,
    output:
        encoder=f"{RUN}/encoder.safetensors",
        history=f"{RUN}/history.csv",
    log:
        f"{LOGS}/train_encoder/{{dataset}}/{{split}}/{{variant}}/seed_{{seed}}.log",
    conda:
        ENVIRONMENT
    threads: PARAMS.runtime.threads
    resources:
        gpu=GPUS,
        mem_mb=growing(6000),
        runtime=growing(1440),
    params:
        cfg=lambda wc: settings("train_encoder", wc),
        clip=lambda wc, input: option("--clip", input.get("clip")),
        semantics=lambda wc, input: option("--semantics", input.get("semantics")),
    shell:
        "csdn train-encoder --params {params.cfg:q} --index {input.index:q} --cache {input.cache:q} {params.clip:q} "
        "{params.semantics:q} --output {output.encoder:q} > {log:q} 2>&1"


# What DVC's stage `train` makes: the encoders themselves lie in the folders of the stage `evaluation`.
rule list_encoders:
    input:
        for_all_runs(f"{RUN}/encoder.safetensors"),
    output:
        f"{RESULTS}/encoders.sha256",
    log:
        f"{LOGS}/list_encoders.log",
    conda:
        ENVIRONMENT
    resources:
        gpu=0,
        mem_mb=growing(100),
        runtime=growing(10),
    shell:
        "sha256sum {input:q} > {output:q} 2> {log:q}"
