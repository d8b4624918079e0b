"""The papers that published models come from: one table for all architectures, told from the names of checkpoints."""

import re
from collections.abc import Iterable

from keras_vit.hub import Paper

Family = tuple[str, ...]  # a regular expression, and the keys of the papers of names that contain it


def find_papers(name: str, families: Iterable[Family], *, always: Family = (), usual: Family = ()) -> tuple[Paper, ...]:
    """Returns the papers behind a checkpoint.

    Args:
        name: Of a checkpoint or Hub repository, with or without its owner; empty for weights of one's own.
        families: What the last part of a name contains, and which papers that tells of.
        always: Keys of papers that every name has, first.
        usual: Keys of papers for names that tell of none.
    """
    last = name.lower().rsplit("/", 1)[-1]
    told = [key for pattern, *keys in families if re.search(pattern, last) for key in keys]
    return tuple(_PAPERS[key] for key in dict.fromkeys((*always, *(told or usual))))


# Key -> first author, title, year, number on arXiv.
_TABLE = {
    "vit": (
        "Alexey Dosovitskiy",
        "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
        2020,
        "2010.11929",
    ),
    "augreg": (
        "Andreas Steiner",
        "How to train your ViT? Data, Augmentation, and Regularization in Vision Transformers",
        2021,
        "2106.10270",
    ),
    "sam": (
        "Xiangning Chen",
        "When Vision Transformers Outperform ResNets without Pre-training or Strong Data Augmentations",
        2021,
        "2106.01548",
    ),
    "deit": (
        "Hugo Touvron",
        "Training data-efficient image transformers & distillation through attention",
        2020,
        "2012.12877",
    ),
    "deit3": ("Hugo Touvron", "DeiT III: Revenge of the ViT", 2022, "2204.07118"),
    "flexivit": ("Lucas Beyer", "FlexiViT: One Model for All Patch Sizes", 2022, "2212.08013"),
    "dino": ("Mathilde Caron", "Emerging Properties in Self-Supervised Vision Transformers", 2021, "2104.14294"),
    "dinov2": ("Maxime Oquab", "DINOv2: Learning Robust Visual Features without Supervision", 2023, "2304.07193"),
    "registers": ("Timothée Darcet", "Vision Transformers Need Registers", 2023, "2309.16588"),
    "mae": ("Kaiming He", "Masked Autoencoders Are Scalable Vision Learners", 2021, "2111.06377"),
    "ijepa": (
        "Mahmoud Assran",
        "Self-Supervised Learning from Images with a Joint-Embedding Predictive Architecture",
        2023,
        "2301.08243",
    ),
    "aimv2": ("Enrico Fini", "Multimodal Autoregressive Pre-training of Large Vision Encoders", 2024, "2411.14402"),
    "beit3": (
        "Wenhui Wang",
        "Image as a Foreign Language: BEiT Pretraining for All Vision and Vision-Language Tasks",
        2022,
        "2208.10442",
    ),
    "eva": (
        "Yuxin Fang",
        "EVA: Exploring the Limits of Masked Visual Representation Learning at Scale",
        2022,
        "2211.07636",
    ),
    "clip": (
        "Alec Radford",
        "Learning Transferable Visual Models From Natural Language Supervision",
        2021,
        "2103.00020",
    ),
    "openclip": (
        "Mehdi Cherti",
        "Reproducible scaling laws for contrastive language-image learning",
        2022,
        "2212.07143",
    ),
    "metaclip": ("Hu Xu", "Demystifying CLIP Data", 2023, "2309.16671"),
    "metaclip2": ("Yung-Sung Chuang", "MetaCLIP 2: A Worldwide Scaling Recipe", 2025, "2507.22062"),
    "dfn": ("Alex Fang", "Data Filtering Networks", 2023, "2309.17425"),
    "datacomp": (
        "Samir Yitzhak Gadre",
        "DataComp: In search of the next generation of multimodal datasets",
        2023,
        "2304.14108",
    ),
    "tinyclip": (
        "Kan Wu",
        "TinyCLIP: CLIP Distillation via Affinity Mimicking and Weight Inheritance",
        2023,
        "2309.12314",
    ),
    "siglip": ("Xiaohua Zhai", "Sigmoid Loss for Language Image Pre-Training", 2023, "2303.15343"),
    "siglip2": (
        "Michael Tschannen",
        "SigLIP 2: Multilingual Vision-Language Encoders with Improved Semantic Understanding, Localization, and Dense "
        "Features",
        2025,
        "2502.14786",
    ),
    "shape": (
        "Ibrahim Alabdulmohsin",
        "Getting ViT in Shape: Scaling Laws for Compute-Optimal Model Design",
        2023,
        "2305.13035",
    ),
    "paligemma": ("Lucas Beyer", "PaliGemma: A versatile 3B VLM for transfer", 2024, "2407.07726"),
    "paligemma2": ("Andreas Steiner", "PaliGemma 2: A Family of Versatile VLMs for Transfer", 2024, "2412.03555"),
    "radio": (
        "Mike Ranzinger",
        "AM-RADIO: Agglomerative Vision Foundation Model -- Reduce All Domains Into One",
        2023,
        "2312.06709",
    ),
    "internvl": (
        "Zhe Chen",
        "InternVL: Scaling up Vision Foundation Models and Aligning for Generic Visual-Linguistic Tasks",
        2023,
        "2312.14238",
    ),
    "miil": ("Tal Ridnik", "ImageNet-21K Pretraining for the Masses", 2021, "2104.10972"),
    "bamboo": (
        "Yuanhan Zhang",
        "Bamboo: Building Mega-Scale Vision Dataset Continually with Human-Machine Synergy",
        2022,
        "2203.07845",
    ),
    "eva02": ("Yuxin Fang", "EVA-02: A Visual Representation for Neon Genesis", 2023, "2303.11331"),
    "evaclip": ("Quan Sun", "EVA-CLIP: Improved Training Techniques for CLIP at Scale", 2023, "2303.15389"),
    "dinov3": ("Oriane Siméoni", "DINOv3", 2025, "2508.10104"),
    "pe": (
        "Daniel Bolya",
        "Perception Encoder: The best visual embeddings are not at the output of the network",
        2025,
        "2504.13181",
    ),
    "rope": ("Byeongho Heo", "Rotary Position Embedding for Vision Transformer", 2024, "2403.13298"),
    "lingbot": ("Zelin Fu", "Vision Pretraining for Dense Spatial Perception", 2026, "2607.05247"),
    "sapiens2": ("Rawal Khirodkar", "Sapiens2", 2026, "2604.21681"),
    "beit": ("Hangbo Bao", "BEiT: BERT Pre-Training of Image Transformers", 2021, "2106.08254"),
    "beitv2": (
        "Zhiliang Peng",
        "BEiT v2: Masked Image Modeling with Vector-Quantized Visual Tokenizers",
        2022,
        "2208.06366",
    ),
    "data2vec": (
        "Alexei Baevski",
        "data2vec: A General Framework for Self-supervised Learning in Speech, Vision and Language",
        2022,
        "2202.03555",
    ),
    "dit": ("Junlong Li", "DiT: Self-supervised Pre-training for Document Image Transformer", 2022, "2203.02378"),
    "bit": ("Alexander Kolesnikov", "Big Transfer (BiT): General Visual Representation Learning", 2019, "1912.11370"),
    "mobileclip": (
        "Pavan Kumar Anasosalu Vasu",
        "MobileCLIP: Fast Image-Text Models through Multi-Modal Reinforced Training",
        2023,
        "2311.17049",
    ),
    "mobileclip2": ("Fartash Faghri", "MobileCLIP2: Improving Multi-Modal Reinforced Training", 2025, "2508.20691"),
    "pvtv2": ("Wenhai Wang", "PVT v2: Improved Baselines with Pyramid Vision Transformer", 2021, "2106.13797"),
    "segformer": (
        "Enze Xie",
        "SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers",
        2021,
        "2105.15203",
    ),
    "swin": ("Ze Liu", "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", 2021, "2103.14030"),
    "swinv2": ("Ze Liu", "Swin Transformer V2: Scaling Up Capacity and Resolution", 2021, "2111.09883"),
    "s3": ("Minghao Chen", "Searching the Search Space of Vision Transformer", 2021, "2111.14725"),
    "simmim": ("Zhenda Xie", "SimMIM: A Simple Framework for Masked Image Modeling", 2021, "2111.09886"),
}

_PAPERS = {
    key: Paper(
        key=f"{author.split()[-1].lower().replace('é', 'e')}{year}{key}",
        title=title,
        authors=f"{author} and others",
        year=year,
        arxiv=arxiv,
    )
    for key, (author, title, year, arxiv) in _TABLE.items()
}
