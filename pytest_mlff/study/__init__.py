"""What exists because of the paper alone: its runs, numbers and figures beside ours, and the ablation of its network.

``paper`` holds what was printed, ``runs`` runs as long and as large, ``reproduction`` lays both out; ``curves``
measures what ``gallery`` has drawn by ``figures``; ``ablation`` trains and measures other networks. Only the console
command comes here.
"""
