localrules:
    list_encoders,


rule pretrain_clip:
    input:
        annotations=PATHS.pretraining_annotations,
        images=PATHS.pretraining_images,
    output:
        clip=PATHS.small_clip,
        history=PATHS.small_clip_history,
        zero_shot=PATHS.zero_shot,
    log:
        fill(PATHS.log, step="pretrain_clip"),
    priority: 10  # all training waits for it
    conda:
        ENVIRONMENT
    threads: PARAMS.runtime.pretraining_threads
    resources:
        gpu=GPUS,
        mem_mb=more_each_attempt(3000),
        runtime=more_each_attempt(120),
    params:
        cfg=lambda wc: settings("pretrain_clip", wc),
    shell:
        "csdn pretrain-clip --params {params.cfg:q} --annotations {input.annotations:q} --output {output.clip:q} "
        "> {log:q} 2>&1"


use rule pretrain_clip as pretrain_clip_of_draw with:
    input:
        annotations=PATHS.draw_pretraining_annotations,
        images=PATHS.draw_pretraining_images,
    output:
        clip=PATHS.clip_of_draw,
        history=PATHS.clip_of_draw_history,
        zero_shot=PATHS.clip_of_draw_zero_shot,
    log:
        fill(PATHS.images_log, step="pretrain_clip", image_set=fill(DRAW_SET, dataset=PRETRAINING)),


rule learn_prompts:
    input:
        unpack(images_of),
        clip=lambda wc: clip_of(wc, PROMPT_KEYS[wc.prompt_key]),
        captions=captions_of,
    output:
        prompts=PATHS.prompts,
        history=PATHS.prompts_history,
    log:
        fill(PATHS.prompts_log, step="learn_prompts"),
    conda:
        ENVIRONMENT
    threads: PARAMS.runtime.threads
    resources:
        gpu=GPUS,
        mem_mb=more_each_attempt(4000),
        runtime=more_each_attempt(240),
    params:
        cfg=lambda wc: settings("learn_prompts", wc, variant=PROMPT_KEYS[wc.prompt_key]),
        clip=lambda wc, input: option_with("--clip", input.get("clip")),
        captions=lambda wc, input: option_with("--captions", input.get("captions")),
    shell:
        "csdn learn-prompts --params {params.cfg:q} --index {input.index:q} --cache {input.cache:q} {params.clip:q} "
        "{params.captions:q} --output {output.prompts:q} > {log:q} 2>&1"


rule fuse_semantics:
    input:
        unpack(images_of),
        clip=lambda wc: clip_of(wc, SEMANTICS_KEYS[wc.semantics_key]),
        prompts=prompts_of,
    output:
        semantics=PATHS.semantics,
        history=PATHS.semantics_history,
    log:
        fill(PATHS.semantics_log, step="fuse_semantics"),
    conda:
        ENVIRONMENT
    threads: PARAMS.runtime.threads
    resources:
        gpu=GPUS,
        mem_mb=more_each_attempt(4000),
        runtime=more_each_attempt(240),
    params:
        cfg=lambda wc: settings("fuse_semantics", wc, variant=SEMANTICS_KEYS[wc.semantics_key]),
        clip=lambda wc, input: option_with("--clip", input.get("clip")),
    shell:
        "csdn fuse-semantics --params {params.cfg:q} --index {input.index:q} --cache {input.cache:q} {params.clip:q} "
        "--prompts {input.prompts:q} --output {output.semantics:q} > {log:q} 2>&1"


rule train_encoder:
    input:
        unpack(images_of),
        clip=lambda wc: clip_of(wc, wc.variant),
        semantics=semantics_of,
    output:
        encoder=PATHS.encoder,
        history=PATHS.history,
    log:
        fill(PATHS.run_log, step="train_encoder"),
    conda:
        ENVIRONMENT
    threads: PARAMS.runtime.threads
    resources:
        gpu=GPUS,
        mem_mb=more_each_attempt(6000),
        runtime=more_each_attempt(1440),
    params:
        cfg=lambda wc: settings("train_encoder", wc),
        clip=lambda wc, input: option_with("--clip", input.get("clip")),
        semantics=lambda wc, input: option_with("--semantics", input.get("semantics")),
    shell:
        "csdn train-encoder --params {params.cfg:q} --index {input.index:q} --cache {input.cache:q} {params.clip:q} "
        "{params.semantics:q} --output {output.encoder:q} > {log:q} 2>&1"


# What DVC's stage `train` makes: the encoders themselves lie in the folders of the stage `evaluation`.
rule list_encoders:
    input:
        files.files_of_runs(PARAMS, PATHS.encoder),
    output:
        PATHS.encoder_digests,
    log:
        fill(PATHS.log, step="list_encoders"),
    conda:
        ENVIRONMENT
    resources:
        gpu=0,
        mem_mb=more_each_attempt(100),
        runtime=more_each_attempt(10),
    shell:
        "sha256sum {input:q} > {output:q} 2> {log:q}"
