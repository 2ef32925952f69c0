rule pretrain_clip:
    input:
        annotations=f"{DATA}/{PRETRAINING}/annotations.parquet",
        images=f"{DATA}/{PRETRAINING}/images.npy",
    output:
        clip=f"{RESULTS}/clip/mini/clip.safetensors",
        history=f"{RESULTS}/clip/mini/history.csv",
        zero_shot=f"{RESULTS}/clip/mini/zero_shot.csv",
    log:
        f"{LOGS}/pretrain_clip.log",
    priority: 10  # all training waits for it
    conda:
        ENVIRONMENT
    threads: PARAMS.runtime.pretraining_threads
    resources:
        gpu=GPUS,
        mem_mb=growing(3000),
        runtime=growing(120),
    params:
        cfg=settings("pretrain_clip"),
    shell:
        "csdn pretrain-clip --params {params.cfg:q} --annotations {input.annotations:q} --output {output.clip:q} "
        "> {log:q} 2>&1"
