from keras_vit.bulk.listing import iterate_images


def test_images_come_in_a_fixed_order_and_links_upwards_end(tmp_path):
    for name in ("b/2.png", "b/1.JPG", "a/deep/3.webp", "z.png", "notes.txt", ".hidden.png", ".cache/4.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b" / "up").symlink_to(tmp_path)

    assert list(iterate_images(tmp_path)) == ["z.png", "a/deep/3.webp", "b/1.JPG", "b/2.png"]
