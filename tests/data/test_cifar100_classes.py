from onebit.data._cifar100_classes import CLASSES


def test_the_classes_of_cifar100_are_a_hundred_in_order() -> None:
    assert len(set(CLASSES)) == 100
    assert list(CLASSES) == sorted(CLASSES)
    assert [CLASSES[i] for i in (0, 19, 53, 99)] == ["apple", "cattle", "orange", "worm"]
