"""The kernels that others run for the same sums, compiled without a GPU.

usage: peer_kernels.py NVCC FOLDER

Leaves machine code in FOLDER, and peers.json that tells machine_code.py what it is. Who cannot be had, or compiled,
stands there with the reason. Where a package wants a driver or PyTorch only to be imported, a stand-in takes its
place: no code of a kernel comes from one.
"""

import importlib.machinery
import importlib.metadata
import json
import os
import pathlib
import re
import subprocess
import sys
import types


def registers_of(cubin):
    shown = subprocess.run([os.environ["SCF_CUOBJDUMP"], "-res-usage", cubin], check=True, capture_output=True, text=True)
    return int(re.search(r"REG:(\d+)", shown.stdout).group(1))


def keops(nvcc, folder):
    """KeOps: largest exponent, sum of weights and weighted sum of data, by one reduction, as its Python package
    generates the source. Its own flag is -use_fast_math."""
    os.environ["KEOPS_CACHE_FOLDER"] = str(folder / "keops")
    os.environ["KEOPS_VERBOSE"] = "0"
    # The class that would call NVRTC, and asks for a driver when it is imported.
    compiler = types.ModuleType("keopscore.binders.nvrtc.Gpu_link_compile")
    compiler.Gpu_link_compile = type("Gpu_link_compile", (), {"__init__": lambda self: None})
    sys.modules[compiler.__name__] = compiler
    from keopscore.mapreduce.gpu.GpuReduc1D import GpuReduc1D

    version = importlib.metadata.version("keopscore")
    for d in (2, 3, 16):
        x, y = f"Var(1,{d},0)", f"Var(2,{d},1)"
        formula = f"Max_SumShiftExpWeight_Reduction(-Var(0,1,2)*SqDist({x},{y}),0,Concat(IntCst(1),{y}))"
        kernel = GpuReduc1D(formula, [], 3, "float", "float", "direct_sum", 1, 1, 0, 0, 1, 0)
        kernel.get_code()
        source = folder / f"keops_{d}.cu"
        source.write_text(kernel.code)
        for architecture in ("sm_80", "sm_90"):
            cubin = folder / f"keops_{d}.{architecture}.cubin"
            command = [nvcc, "-use_fast_math", f"-arch={architecture}", "-cubin", "-o", cubin, source]
            subprocess.run(command, check=True, capture_output=True, text=True)
            yield {"name": f"KeOps {version}", "d": d, "architecture": architecture, "cubin": str(cubin),
                   "symbol": "GpuConv1DOnDevice", "registers": registers_of(cubin), "reads_each_datum": True}


def flash_sd_kde(nvcc, folder):
    """Flash-SD-KDE: sum of weights and weighted sum of data, of data with themselves, with its default block sizes."""
    os.environ["TRITON_PTXAS_PATH"] = str(pathlib.Path(nvcc).with_name("ptxas"))
    os.environ["TRITON_CACHE_DIR"] = str(folder / "triton")
    os.environ["TRITON_DEFAULT_FP_FUSION"] = "1"
    torch = types.ModuleType("torch")
    torch.__spec__ = importlib.machinery.ModuleSpec("torch", None)
    torch.Tensor = torch.device = object
    sys.modules["torch"] = torch
    from kernels.flash_sd_kde.empirical import _empirical_sd_kde_kernel_nd as kernel
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    version = importlib.metadata.version("flash-sd-kde")
    blocks = {"BLOCK_M": 64, "BLOCK_N": 2048, "BLOCK_K": 16, "BLOCK_N_CHUNK": 16}
    names = kernel.arg_names
    signature = {name: "constexpr" if name in blocks else "*fp32" if name.endswith("_ptr") else
                 "fp32" if name == "inv_h2" else "i32" for name in names}
    # What its launcher tells Triton of arguments that are multiples of 16, as large arrays and strides are.
    multiples = {(i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if signature[name] in ("*fp32", "i32")}
    for architecture in (80, 90):
        source = ASTSource(fn=kernel, signature=signature, attrs=multiples,
                           constexprs={(names.index(name),): value for name, value in blocks.items()})
        compiled = compile(source, target=GPUTarget("cuda", architecture, 32),
                           options={"num_warps": 2, "num_stages": 2})
        cubin = folder / f"flash_sd_kde.sm_{architecture}.cubin"
        cubin.write_bytes(compiled.asm["cubin"])
        yield {"name": f"Flash-SD-KDE {version}", "d": 16, "architecture": f"sm_{architecture}", "cubin": str(cubin),
               "symbol": compiled.metadata.name, "registers": registers_of(cubin), "reads_each_datum": False,
               "compiler": "Triton " + importlib.metadata.version("triton")}


def main():
    nvcc, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    kernels, left_out = [], []
    for peer in (keops, flash_sd_kde):
        try:
            kernels += list(peer(nvcc, folder))
        except Exception as error:  # whatever it is: the others count all the same
            detail = getattr(error, "stderr", None) or str(error)
            left_out.append(f"{peer.__name__}: {type(error).__name__}: {detail.strip()}")
    (folder / "peers.json").write_text(json.dumps({"kernels": kernels, "left_out": left_out}, indent=2))


if __name__ == "__main__":
    main()
