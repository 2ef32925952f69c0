"""An embedded benchmark of a few people in every layout."""

from csdn.config.benchmark import Benchmark, Population, PretrainingPopulation

TINY = Benchmark(
    sysu_mm01=Population(train=4, val=2, test=3, train_images=1, test_images=2, infrared_factor=2),
    regdb=Population(train=3, test=3, train_images=2, test_images=2),
    llcm=Population(train=2, test=3, train_images=1, test_images=1),
    pretraining=PretrainingPopulation(identities=10, images=2, held_out=8, cameras=3),
)
