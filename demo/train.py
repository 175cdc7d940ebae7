#!/usr/bin/env python3
"""Train the demonstration network: glyphs of free fonts, bent, blurred and noisy, 36 classes (0-9, A-Z).

Needs Debian's python3-torch, python3-pil, fonts-dejavu-core, fonts-liberation, fonts-freefont-ttf. Writes to --out:
  weights/NAME.npy        parameters in TFLite's layout, batch norm as a scale and a shift per channel (not folded)
  calibration.npy         100 images, uint8 [n, 32, 32, 1]
  test.npy, test_labels.txt   400 images and their classes; glyphs of fonts and distortions not seen in training
demo/build_network.cpp turns the weights into glyphs.tflite. Usage: python3 demo/train.py --out demo
"""
import argparse, glob, os
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFilter, ImageFont

CLASSES = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SIZE = 32
HELD_OUT = ("LiberationSerif-Italic", "DejaVuSansMono-BoldOblique", "FreeSans.ttf", "DejaVuSerif-Bold.ttf")


def fonts():
    found = sorted(f for d in ("dejavu", "liberation", "freefont") for f in glob.glob(f"/usr/share/fonts/truetype/{d}/*.ttf"))
    found = [f for f in found if "Math" not in f]
    test = [f for f in found if any(h in f for h in HELD_OUT)]
    return [f for f in found if f not in test], test


def render(char, path, rng):
    """One glyph: white on black, rotated, sheared, scaled, moved, blurred, with a gradient and noise."""
    big = 96
    image = Image.new("L", (big, big), 0)
    font = ImageFont.truetype(path, int(rng.uniform(44, 72)))
    x0, y0, x1, y1 = font.getbbox(char)
    ImageDraw.Draw(image).text(((big - x0 - x1) / 2, (big - y0 - y1) / 2), char, fill=255, font=font)
    angle, shear = np.deg2rad(rng.uniform(-18, 18)), rng.uniform(-0.25, 0.25)
    sx, sy = rng.uniform(0.85, 1.2, 2)
    c, s = np.cos(angle), np.sin(angle)
    m = np.array([[c, -s], [s, c]]) @ np.array([[sx, shear], [0, sy]])
    t = np.array([big / 2, big / 2]) - m @ np.array([big / 2, big / 2]) + rng.uniform(-7, 7, 2)
    image = image.transform((big, big), Image.AFFINE, (m[0, 0], m[0, 1], t[0], m[1, 0], m[1, 1], t[1]), Image.BILINEAR)
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2.2))).resize((SIZE, SIZE), Image.BILINEAR)
    x = np.asarray(image, np.float32) / 255 * rng.uniform(0.45, 1.0)
    ramp = np.linspace(-1, 1, SIZE, dtype=np.float32)
    x = x + rng.uniform(0, 0.25) + rng.uniform(-0.15, 0.15) * ramp[None] + rng.uniform(-0.15, 0.15) * ramp[:, None]
    x = x + rng.normal(0, rng.uniform(0.02, 0.12), x.shape)
    if rng.random() < 0.5:
        x = 1 - x
    return np.clip(np.rint(x * 255), 0, 255).astype(np.uint8)


def dataset(n, paths, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % len(CLASSES)
    rng.shuffle(labels)
    return np.stack([render(CLASSES[k], paths[rng.integers(len(paths))], rng) for k in labels]), labels


class Block(nn.Module):
    """Convolution, batch norm, relu6, padded as TensorFlow's SAME does (the odd pixel goes to the end)."""

    def __init__(self, cin, cout, kernel, stride=1, groups=1):
        super().__init__()
        self.stride, self.kernel = stride, kernel
        self.conv = nn.Conv2d(cin, cout, kernel, stride, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, x):
        if self.kernel == 3:
            x = F.pad(x, (1, 1, 1, 1) if self.stride == 1 else (0, 1, 0, 1))
        return F.relu6(self.bn(self.conv(x)))


class Net(nn.Module):
    WIDTHS = ((24, 48, 2), (48, 96, 1), (96, 192, 2), (192, 192, 1), (192, 384, 2))

    def __init__(self):
        super().__init__()
        self.stem = Block(1, self.WIDTHS[0][0], 3)
        self.dw = nn.ModuleList(Block(a, a, 3, s, groups=a) for a, _, s in self.WIDTHS)
        self.pw = nn.ModuleList(Block(a, b, 1) for a, b, _ in self.WIDTHS)
        self.fc = nn.Linear(self.WIDTHS[-1][1], len(CLASSES))

    def forward(self, x):
        x = self.stem(x)
        for dw, pw, (a, b, s) in zip(self.dw, self.pw, self.WIDTHS):
            y = pw(dw(x))
            x = x + y if a == b and s == 1 else y
        return self.fc(x.mean((2, 3)))


def export(net, out):
    os.makedirs(out + "/weights", exist_ok=True)
    save = lambda name, x: np.save(f"{out}/weights/{name}.npy", np.ascontiguousarray(x.detach().numpy(), np.float32))

    def block(name, b, scale=1.0):
        w = b.conv.weight * scale
        save(name + ".weight", w.permute(1, 2, 3, 0) if b.conv.groups > 1 else w.permute(0, 2, 3, 1))
        gain = b.bn.weight / torch.sqrt(b.bn.running_var + b.bn.eps)
        save(name + ".bn_scale", gain)
        save(name + ".bn_shift", b.bn.bias - b.bn.running_mean * gain)

    block("stem", net.stem, 1 / 255)  # the network takes pixels 0..255
    for i in range(len(net.dw)):
        block(f"dw{i}", net.dw[i])
        block(f"pw{i}", net.pw[i])
    save("fc.weight", net.fc.weight)
    save("fc.bias", net.fc.bias)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", required=True)
    p.add_argument("--samples", type=int, default=30000)
    p.add_argument("--epochs", type=int, default=8)
    a = p.parse_args()
    torch.manual_seed(1)
    train_fonts, test_fonts = fonts()
    x, y = dataset(a.samples, train_fonts, 1)
    xt, yt = dataset(400, test_fonts, 2)
    np.save(a.out + "/calibration.npy", x[:100, :, :, None])
    np.save(a.out + "/test.npy", xt[..., None])
    with open(a.out + "/test_labels.txt", "w") as f:
        f.writelines(f"{k}\n" for k in yt)
    tensor = lambda v: torch.from_numpy(v[:, None].astype(np.float32) / 255)
    x, y, xt, yt = tensor(x), torch.from_numpy(y), tensor(xt), torch.from_numpy(yt)
    net = Net()
    steps = a.epochs * (len(x) // 64)
    opt = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, 5e-3, steps)
    for epoch in range(a.epochs):
        net.train()
        for batch in torch.randperm(len(x)).split(64)[: len(x) // 64]:
            opt.zero_grad()
            loss = F.cross_entropy(net(x[batch]), y[batch])
            loss.backward()
            opt.step()
            schedule.step()
        net.eval()
        with torch.no_grad():
            print(f"epoch {epoch + 1}: test accuracy {(net(xt).argmax(1) == yt).float().mean():.4f}", flush=True)
    export(net, a.out)


if __name__ == "__main__":
    main()
