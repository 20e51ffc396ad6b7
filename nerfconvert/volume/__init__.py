"""What a field is, and the conventions that all of nerfconvert keeps.

* World: right-handed. Cameras: OpenGL (x right, y up, looking along -z). Lengths in world units.
* Density: extinction per world unit, >= 0. Opacity of a segment: ``1 - exp(-density * length)``.
* Color: display-referred sRGB in [0, 1], as the source program showed it.
* Directions: unit length, from the camera into the scene.
* Files with other conventions are converted by their format on reading and writing, nowhere else.
  The one exception is a field in normalised device coordinates: no world box can hold it, so its
  ``frame`` says ``"ndc"``, and the rays that march through it are those of its ``Frustum``.
"""

from .aabb import Aabb as Aabb
from .capacity import at_once as at_once
from .capacity import in_parts as in_parts
from .contraction import Contraction as Contraction
from .field import Field as Field
from .field import FieldInfo as FieldInfo
from .field import RadianceField as RadianceField
from .frustum import Frustum as Frustum
from .haze import part_that_shows as part_that_shows
from .occupancy import OccupancyGrid as OccupancyGrid
from .on_device import constant as constant
from .on_device import sent as sent
from .on_device import wait_for as wait_for
from .pace import Pace as Pace
from .rays import Rays as Rays
from .rays import Samples as Samples
from .rays import joined as joined
from .trainable import ParameterGroup as ParameterGroup
from .trainable import Role as Role
from .trainable import TrainableField as TrainableField
from .visibility import Visibility as Visibility
