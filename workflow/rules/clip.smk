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
        cfg=settings("pretrain_clip"),
    shell:
        "csdn pretrain-clip --params {params.cfg:q} --annotations {input.annotations:q} --output {output.clip:q} "
        "> {log:q} 2>&1"
